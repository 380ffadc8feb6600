"""Every method of the emulated Gmail, called by Google's own client with its own description.

Fails at the first answer that the client cannot read or that the description does not have.

google_library.py BASE_URL TOKEN_URL CLIENT_ID CLIENT_SECRET REFRESH_TOKEN
"""

import base64
import sys
from email.message import EmailMessage

from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError

from google_document import Document

base_url, token_url, client_id, client_secret, refresh_token = sys.argv[1:]
document = Document()
credentials = Credentials(
    None, refresh_token=refresh_token, token_uri=token_url, client_id=client_id, client_secret=client_secret
)
gmail = build(
    "gmail", "v1", credentials=credentials, static_discovery=True, client_options={"api_endpoint": base_url}
).users()


def run(request):
    """The answer, which must be as the method's description says."""
    answer = request.execute(num_retries=0)
    document.check_answer(request.methodId, answer)
    return answer


def refused(request, status, reason):
    try:
        request.execute(num_retries=0)
    except HttpError as error:
        details = error.error_details
        assert error.status_code == status, (request.methodId, error)
        assert details and details[0]["reason"] == reason, (request.methodId, details)
    else:
        raise AssertionError(f"{request.methodId} was not refused")


def mail(subject, text="Hello", answers=None, file=False):
    message = EmailMessage()
    message["From"] = "Support <support@example.com>"
    message["To"] = "Ana <ana@example.org>"
    message["Subject"] = subject
    message["Message-ID"] = f"<{subject.replace(' ', '-')}@example.com>"
    if answers:
        message["In-Reply-To"] = answers
        message["References"] = answers
    message.set_content(text)
    if file:
        message.add_attachment(b"%PDF-1.4", maintype="application", subtype="pdf", filename="a.pdf")
    return {"raw": base64.urlsafe_b64encode(message.as_bytes()).decode()}


def of(path):
    """The method at a path like "messages.list"."""
    *resources, method = path.split(".")
    resource = gmail
    for name in resources:
        resource = getattr(resource, name)()
    called = getattr(resource, method)
    return lambda **arguments: run(called(userId="me", **arguments))


profile = of("getProfile")()
assert profile["emailAddress"] == "support@example.com", profile
start = profile["historyId"]
watch = of("watch")(body={"topicName": "projects/p/topics/t", "labelIds": ["INBOX"]})
assert int(watch["expiration"]) > 0, watch
of("stop")()

# Mails put in, found, changed and taken away.
first = of("messages.import_")(
    body=mail("Order 42", file=True) | {"labelIds": ["INBOX", "UNREAD"]}, internalDateSource="receivedTime"
)
second = of("messages.insert")(body=mail("Order 43") | {"labelIds": ["INBOX"]})
listed = of("messages.list")(q="in:inbox", labelIds=["INBOX"], maxResults=1)
assert listed["messages"] == [{"id": second["id"], "threadId": second["threadId"]}], listed
next_page = gmail.messages().list_next(gmail.messages().list(userId="me", q="in:inbox", maxResults=1), listed)
assert run(next_page)["messages"][0]["id"] == first["id"]
full = of("messages.get")(id=first["id"])
file = next(part for part in full["payload"]["parts"] if part["filename"] == "a.pdf")
got = of("messages.attachments.get")(messageId=first["id"], id=file["body"]["attachmentId"])
assert base64.urlsafe_b64decode(got["data"]) == b"%PDF-1.4", got
raw = of("messages.get")(id=first["id"], format="raw")
assert b"Subject: Order 42" in base64.urlsafe_b64decode(raw["raw"])
metadata = of("messages.get")(id=first["id"], format="metadata", metadataHeaders=["Subject", "To"])
assert [header["name"] for header in metadata["payload"]["headers"]] == ["To", "Subject"], metadata
assert "payload" not in of("messages.get")(id=first["id"], format="minimal")
modified = of("messages.modify")(id=first["id"], body={"addLabelIds": ["STARRED"], "removeLabelIds": ["UNREAD"]})
assert sorted(modified["labelIds"]) == ["INBOX", "STARRED"], modified
assert "TRASH" in of("messages.trash")(id=second["id"])["labelIds"]
assert "TRASH" not in of("messages.untrash")(id=second["id"])["labelIds"]
of("messages.batchModify")(body={"ids": [first["id"]], "removeLabelIds": ["STARRED"]})

# Labels.
label = of("labels.create")(body={"name": "Waiting"})
assert of("labels.get")(id=label["id"])["name"] == "Waiting"
assert of("labels.patch")(id=label["id"], body={"name": "Done"})["name"] == "Done"
of("labels.update")(id=label["id"], body={"name": "Done again"})
assert label["id"] in [one["id"] for one in of("labels.list")()["labels"]]
of("labels.delete")(id=label["id"])
assert of("settings.sendAs.list")()["sendAs"][0]["isPrimary"]

# Drafts, and mails that go.
answers = "<Order-42@example.com>"
draft = of("drafts.create")(body={"message": mail("Re: Order 42", answers=answers) | {"threadId": first["threadId"]}})
assert of("drafts.list")(q="")["drafts"][0]["id"] == draft["id"]
assert of("drafts.get")(id=draft["id"], format="full")["message"]["labelIds"] == ["DRAFT"]
draft = of("drafts.update")(
    id=draft["id"],
    body={"message": mail("Re: Order 42", "Better", answers=answers) | {"threadId": first["threadId"]}},
)
sent = of("drafts.send")(body={"id": draft["id"]})
assert sent["threadId"] == first["threadId"], (sent, first)
thrown_away = of("drafts.create")(body={"message": mail("Never")})
of("drafts.delete")(id=thrown_away["id"])
at_once = of("messages.send")(body=mail("At once"))
assert at_once["labelIds"] == ["SENT"], at_once

# Threads.
thread = of("threads.get")(id=first["threadId"], format="metadata", metadataHeaders=["Message-ID"])
assert [one["id"] for one in thread["messages"]] == [first["id"], sent["id"]], thread
assert first["threadId"] in [one["id"] for one in of("threads.list")(q="order")["threads"]]
of("threads.modify")(id=first["threadId"], body={"addLabelIds": ["STARRED"]})
of("threads.trash")(id=first["threadId"])
of("threads.untrash")(id=first["threadId"])

# The history knows all of it.
of("messages.delete")(id=second["id"])
of("messages.batchDelete")(body={"ids": [at_once["id"]]})
of("threads.delete")(id=first["threadId"])
history = of("history.list")(startHistoryId=start, maxResults=500)["history"]
seen = {kind for record in history for kind in record}
wanted = {"id", "messages", "messagesAdded", "messagesDeleted", "labelsAdded", "labelsRemoved"}
assert seen == wanted, seen
ids = [int(record["id"]) for record in history]
assert ids == sorted(ids) and ids[0] > int(start), ids
some = of("history.list")(startHistoryId=start, historyTypes=["labelAdded"], labelId="STARRED")
assert all("labelsAdded" in record for record in some["history"]), some

# Refusals have Google's shape.
me = {"userId": "me"}
refused(gmail.messages().get(id=first["id"], **me), 404, "notFound")
refused(gmail.history().list(startHistoryId="1", **me), 404, "notFound")
refused(gmail.getProfile(userId="ana@example.org"), 403, "forbidden")
refused(gmail.messages().send(body={"raw": ""}, **me), 400, "invalidArgument")
refused(gmail.watch(body={"topicName": "t"}, **me), 400, "invalidArgument")
