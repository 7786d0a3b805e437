"""The whole story in subprocesses, with assertions: registry, producer, consumer, and what goes wrong between them."""

import sys
from pathlib import Path

from edustream_lab.performance import perform
from edustream_lab.story import Story

if __name__ == "__main__":
    sys.exit(perform(Path(__file__), lambda company, narrator: Story(company, narrator).tell()))
