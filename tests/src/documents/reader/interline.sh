#!/usr/bin/env bash
# The program under test. What stays up (serve, twins, demo) goes on beside, as if in a terminal of its own,
# and one comes back once it is ready; twins stand on this document's ports.
set -u
verb= skip= once=
for word in "$@"; do
  if [ -n "$skip" ]; then skip=; continue; fi
  case $word in
    --config) skip=yes ;;
    --once | --help | -h) once=yes ;;
    -*) ;;
    *) [ -n "$verb" ] || verb=$word ;;
  esac
done
case $verb in
  serve | twins | demo) [ -n "$once" ] || stays=yes ;;
esac
if [ "$verb" = twins ] && [[ " $* " != *" --port-base"* ]]; then
  set -- "$@" --port-base "$TWINS_BASE"
fi
if [ -z "${stays:-}" ]; then
  exec "$REAL_INTERLINE" "$@"
fi
out=$(mktemp "$NOTES/$verb.XXXXXX")
# The variable names the server to talk to, for the verbs that talk to one.
env -u INTERLINE_SERVER "$REAL_INTERLINE" "$@" >"$out" 2>&1 </dev/null &
echo "process $verb $!" >>"$NOTES/beside"
pid=$!
case $verb in
  serve) ready='interline listens on' ;;
  twins) ready='what arrived:' ;;
  demo) ready='Ctrl-C ends it' ;;
esac
for _ in $(seq 600); do
  if grep -q "$ready" "$out"; then
    cat "$out"
    exit 0
  fi
  kill -0 "$pid" 2>/dev/null || break
  sleep 0.05
done
cat "$out"
echo "$BLOCK interline $* did not start" >>"$NOTES/errors"
exit 1
