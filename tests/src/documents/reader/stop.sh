#!/usr/bin/env bash
# Stops what runs beside under a verb, or all of it, and waits until it is gone. What had ended by itself is an error.
set -u
[ -f "$NOTES/beside" ] || exit 0
kept=$(mktemp "$NOTES/kept.XXXXXX")
while read -r kind verb pid; do
  if [ "$1" != all ] && [ "$1" != "$verb" ]; then
    echo "$kind $verb $pid" >>"$kept"
    continue
  fi
  target=$pid
  [ "$kind" = process ] || target=-$pid
  if ! kill -0 -- "$target" 2>/dev/null; then
    [ "$kind" = group ] || echo "$BLOCK interline $verb ended by itself" >>"$NOTES/errors"
    continue
  fi
  kill -TERM -- "$target" 2>/dev/null
  for _ in $(seq 300); do
    kill -0 -- "$target" 2>/dev/null || break
    sleep 0.05
  done
  kill -KILL -- "$target" 2>/dev/null
done <"$NOTES/beside"
mv "$kept" "$NOTES/beside"
exit 0
