"""Sends a batch by the generated client, and reads its results."""

import json
import os

from interline_client import AuthenticatedClient
from interline_client.api.batches_and_results import list_messages
from interline_client.api.sending import create_batch, plan
from interline_client.models import (
    BatchAnswer,
    BatchRequest,
    MessageRequest,
    MessageRequestVarsType0,
    Plan,
    ResultPage,
    TextContent,
)


def message(name: str, person: str) -> MessageRequest:
    values = MessageRequestVarsType0.from_dict({"name": person.title()})
    return MessageRequest(to=f"user:{person}", id=name, vars_=values)


client = AuthenticatedClient(base_url=os.environ["INTERLINE_URL"], token=os.environ["INTERLINE_KEY"])
batch = BatchRequest(
    from_="system",
    content=TextContent(type_="text", text="Hi $name$", template=True),
    messages=[message("m1", "alice"), message("m2", "bob")],
)

with client:
    taken = create_batch.sync(client=client, body=batch, idempotency_key="python-1", prefer="wait=20")
    assert isinstance(taken, BatchAnswer), taken
    page = list_messages.sync(taken.id, client=client, limit=10)
    assert isinstance(page, ResultPage), page
    wrong = plan.sync(client=client, body=BatchRequest(messages=[MessageRequest(to="nobody")]))
    refused = len(wrong.errors) if isinstance(wrong, Plan) else None

print(
    json.dumps(
        {
            "id": taken.id,
            "state": taken.state,
            "accepted": taken.counts.accepted,
            "statuses": [f"{result.id} {result.status}" for result in page.messages],
            "refused": refused,
        }
    )
)
