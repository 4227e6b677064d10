"""An offline run that was resumed, read back by wandb's own tools: nothing that was sent is replaced."""

import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ganforge.loggers.wandb import WandbLogger
from quick import PATIENCE

pytestmark = pytest.mark.slow

WANDB = [sys.executable, "-m", "wandb"]


class Receiver(ThreadingHTTPServer):
    """What ``wandb sync`` needs of a W&B server; keeps each run's history as lines that are placed by an offset."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.history = {}
        self.asked_to_resume = []

    def answer(self, path, body):
        """Return the answer to a request."""
        if path.endswith("file_stream"):
            for name, chunk in (body.get("files") or {}).items():
                if "history" in name:
                    lines = self.history.setdefault(path.split("/")[-2], [])
                    lines[chunk["offset"] :] = [json.loads(line) for line in chunk["content"]]
            return {"exitcode": None, "limits": {}}
        operation = body.get("operationName", "")
        name = (body.get("variables") or {}).get("name")
        if operation == "RunResumeStatus":
            self.asked_to_resume.append(name)
            return {"data": {"model": {"bucket": self.known(name)}}}
        if operation == "UpsertBucket":  # a run that is started anew, or resumed: then the client knows where it stands
            project = {"name": "p", "entity": {"name": "e"}}
            bucket = {"id": "id", "name": name, "displayName": name, "project": project, "historyLineCount": 0}
            return {"data": {"upsertBucket": {"bucket": bucket, "inserted": name not in self.history}}}
        if operation == "CreateRunFiles":
            return {"data": {"createRunFiles": {"runID": "id", "uploadHeaders": [], "files": []}}}
        return {"data": {}}

    def known(self, name):
        """Return a run as it is described to whoever resumes it; ``None`` if there is none."""
        if name not in self.history:
            return None
        last = json.dumps(self.history[name][-1])
        counts = {"historyLineCount": len(self.history[name]), "eventsLineCount": 0, "logLineCount": 0}
        texts = {"historyTail": json.dumps([last]), "summaryMetrics": last, "eventsTail": "[]", "config": "{}"}
        return {"id": "id", "name": name, "tags": [], "wandbConfig": '{"t": 1}', **counts, **texts}


class Answer(BaseHTTPRequestHandler):
    """Reads a request as JSON and answers it."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = json.dumps(self.server.answer(self.path, json.loads(text) if text[:1] == b"{" else {})).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *words):
        """Keep quiet."""


@pytest.fixture
def receiver():
    """Return a server that is running."""
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def log(folder, clocks):
    """Log one start of a run, from its first value to its end."""
    logger = WandbLogger(str(folder), project="p", name="n", mode="offline")
    for images_seen in clocks:
        logger.log_metrics({"generator/adversarial": float(images_seen)}, step=images_seen)
    logger.finalize("success")


def sync(receiver, *folders):
    """Send folders as a user would."""
    address = f"http://127.0.0.1:{receiver.server_address[1]}"
    environment = {**os.environ, "WANDB_BASE_URL": address, "WANDB_API_KEY": "local-" + 40 * "0"}
    environment.pop("WANDB_MODE", None)
    done = subprocess.run(
        [*WANDB, "sync", *map(str, folders)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("together", [True, False])
def test_parts_of_a_resumed_run_arrive_as_one_history(together, receiver, tmp_path):
    log(tmp_path, [100, 200, 300])
    time.sleep(1)  # folders are named by the second
    log(tmp_path, [300, 400])
    folders = sorted((tmp_path / "wandb").glob("offline-run-*"))
    assert len(folders) == 2
    for send in [folders] if together else [[folder] for folder in folders]:
        sync(receiver, *send)
    ((name, history),) = receiver.history.items()
    assert name == (tmp_path / "wandb_run_id").read_text()
    assert receiver.asked_to_resume == [name, name]
    assert [line["images_seen"] for line in history] == [100, 200, 300, 300, 400]
    assert [line["_step"] for line in history] == [0, 1, 2, 3, 4]


def test_each_part_says_that_it_resumes_its_run(tmp_path, caplog):
    caplog.set_level("INFO", logger="ganforge")
    for clock in (100, 200):
        log(tmp_path, [clock])
        time.sleep(1)
    assert f"wandb sync {tmp_path / 'wandb' / 'offline-run-*'}" in caplog.text
    for file in (tmp_path / "wandb").glob("offline-run-*/*.wandb"):
        read = subprocess.run(
            [*WANDB, "leet", "inspect", "--json", str(file)],
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE,
        )
        records = [json.loads(line) for line in read.stdout.splitlines()]
        (run,) = [record["run"] for record in records if record["type"] == "run"]
        assert run["resume"] is True
        assert run["run_id"] == Path(tmp_path / "wandb_run_id").read_text()
