from __future__ import annotations

from collections.abc import Sequence

import pytest

from serving.pacing import Answered, ServerDeaf, paced

RATE = 10.0


class Simulation:
    """A clock that moves only when somebody waits, and a server that answers one request after the other."""

    def __init__(
        self, service_s: float, stalls: tuple[float, float] = (0.0, 0.0), send_s: float = 0.0, part_s: float = 1e9
    ) -> None:
        self.now = 100.0
        self.began = self.now
        self._service_s = service_s
        self._stalls = stalls
        self._send_s = send_s
        self._part_s = part_s
        self._idle_from = self.now
        self.most_under_way = 0

    def clock(self) -> float:
        return self.now

    def answered_at(self) -> float:
        self.now += self._send_s
        begin = max(self.now, self._idle_from)
        first, last = (self.began + stall for stall in self._stalls)
        if first <= begin < last:
            begin = last
        self._idle_from = begin + self._service_s
        return self._idle_from

    def wait(self, busy: Sequence[Line], timeout_s: float) -> list[Line]:
        self.most_under_way = max(self.most_under_way, len(busy))
        until = self.now + min(timeout_s, self._part_s)
        self.now = min([until, *(line.due_back for line in busy)])
        return [line for line in busy if line.due_back <= self.now]


class Line:
    answer = "1.0.0"

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self.due_back = 0.0

    def send(self) -> None:
        self.due_back = self._simulation.answered_at()


def load(simulation: Simulation, count: int, connections: int = 2) -> list[Answered[Line]]:
    lines = [Line(simulation) for _ in range(connections)]
    return list(paced(lines, RATE, count, simulation.clock, simulation.wait))


def test_requests_are_due_at_the_rate_whatever_the_server_does() -> None:
    seen = load(Simulation(service_s=0.02, stalls=(0.45, 2.0)), 30)
    assert sorted(one.due_s - 100.0 for one in seen) == pytest.approx([number / RATE for number in range(30)])


def test_a_quick_server_is_measured_by_its_own_time() -> None:
    seen = load(Simulation(service_s=0.02), 50)
    assert [one.latency_s for one in seen] == pytest.approx([0.02] * 50)
    assert {one.answer for one in seen} == {"1.0.0"}


def test_a_stall_counts_for_every_request_that_was_due_in_it() -> None:
    """A closed loop of two connections would have seen two slow requests; sixteen were due."""
    seen = load(Simulation(service_s=0.001, stalls=(0.95, 2.55)), 40)
    slow = {round(one.due_s - 100.0, 1): one.latency_s for one in seen if one.latency_s > 0.05}
    assert len(slow) == 16
    assert slow[1.0] == pytest.approx(1.55, abs=0.02)
    assert slow[2.5] == pytest.approx(0.05, abs=0.02)


def test_no_more_requests_are_under_way_than_there_are_connections() -> None:
    simulation = Simulation(service_s=0.5)
    load(simulation, 20, connections=3)
    assert simulation.most_under_way == 3


def test_waiting_for_a_connection_is_the_servers_latency_and_not_the_generators_lateness() -> None:
    seen = load(Simulation(service_s=0.5), 20, connections=1)
    assert max(one.latency_s for one in seen) > 5
    assert max(one.lateness_s for one in seen) == pytest.approx(0.0, abs=1e-9)


def test_what_the_generator_needs_for_itself_is_told_apart() -> None:
    seen = load(Simulation(service_s=0.0, send_s=0.25), 20, connections=8)
    assert max(one.lateness_s for one in seen) > 1


def test_a_server_that_never_answers_ends_the_load() -> None:
    with pytest.raises(ServerDeaf, match="2 requests are under way"):
        load(Simulation(service_s=1e9), 5)


def test_answers_that_arrive_in_parts_are_awaited() -> None:
    seen = load(Simulation(service_s=0.3, part_s=0.01), 10)
    assert len(seen) == 10
