#!/usr/bin/env bash
# `cargo run … -- ARGUMENTS` is the program under test, which is built already.
set -u
if [ "${1:-}" = build ]; then exit 0; fi
if [ "${1:-}" != run ]; then
  echo "only build and run stand for something here" >&2
  exit 1
fi
while [ $# -gt 0 ] && [ "$1" != -- ]; do shift; done
[ $# -gt 0 ] && shift
exec interline "$@"
