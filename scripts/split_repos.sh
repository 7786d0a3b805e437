#!/bin/sh
# Splits this tree into four git repositories, each with the history of its folder: split_repos.sh FOLDER
#
# What is committed at HEAD is split; branches, tags and changes that are not committed stay behind. LICENSE holds for
# every repository, so each gets it, with its history.
set -eu

if [ $# -ne 1 ] || [ -z "$1" ] || [ "${1#-}" != "$1" ]; then
    echo "usage: split_repos.sh FOLDER, which must not exist yet" >&2
    exit 2
fi
target=$1
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
filter=$root/scripts/.venv/bin/git-filter-repo
if [ -e "$target" ]; then
    echo "$target exists already; name a folder that does not." >&2
    exit 2
fi
if ! [ -e "$root/.git" ]; then
    echo "$root is no git repository; clone the tree with git." >&2
    exit 2
fi
if [ "$(git -C "$root" rev-parse --is-shallow-repository)" = true ]; then
    echo "$root is a shallow clone: the four get no more history than it has; for all of it: git fetch --unshallow." >&2
fi
if ! [ -x "$filter" ]; then
    echo "git-filter-repo is not in scripts/.venv; run make setup first." >&2
    exit 2
fi

# Whoever interrupts this gets no half of it, which would be in the way of the next attempt.
tree=$target/tree
clean() {
    status=$?
    if [ "$status" -eq 0 ]; then rm -rf "$tree"; else rm -rf "$target"; fi
    exit "$status"
}
# Not every shell runs what is left for its exit when a signal ends it.
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP
git init --quiet --bare --initial-branch=main "$tree"
git -C "$tree" fetch --quiet --no-tags --update-shallow "$root" HEAD:main
for repo in contracts artifact-registry repo-ml repo-api; do
    git clone --quiet --no-checkout "$tree" "$target/$repo"
    (cd "$target/$repo" && "$filter" --force --quiet \
        --path "$repo/" --path-rename "$repo/:" --path LICENSE) >/dev/null
    echo "$target/$repo: $(git -C "$target/$repo" rev-list --count main) commits"
done
