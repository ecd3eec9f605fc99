"""What the fuzzer has to be told: how uploads are written, and what counts as left out."""

import json

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    """Text is an upload already; anything else is its first line."""
    return (value if isinstance(value, str) else json.dumps(value)).encode("utf-8", "replace")


@schemathesis.hook
def filter_case(context, case):
    """A parameter of the query without a value is as if it were not there, which OpenAPI calls allowEmptyValue."""
    return "" not in (case.query or {}).values()
