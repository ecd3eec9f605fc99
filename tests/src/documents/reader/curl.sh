#!/usr/bin/env bash
# The real one, which also notes every answer of 400 and above: curl itself does not fail on those.
set -u
PATH=$REAL_PATH
if [[ " $* " == *" -w "* ]]; then exec curl "$@"; fi
err=$(mktemp "$NOTES/curl.XXXXXX")
curl -w '%{stderr}\n@@status %{http_code} %{url_effective}\n' "$@" 2>"$err"
ended=$?
while IFS= read -r line; do
  case $line in
    '@@status 000 '*) ;;
    '@@status '[123]*) ;;
    '@@status '*) echo "$BLOCK it was answered with ${line#@@status }" >>"$NOTES/errors" ;;
    '') ;;
    *) printf '%s\n' "$line" >&2 ;;
  esac
done <"$err"
rm -f "$err"
exit "$ended"
