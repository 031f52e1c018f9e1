"""A hub on loopback: what `huggingface_hub` calls to make a repository and commit to it.

The bytes are kept. Large files come by LFS; the other way, Xet, is a protocol of its own, and is
switched off in the tests by HF_HUB_DISABLE_XET.
"""

import base64
import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "hf_" + "t" * 34


@dataclass
class Repo:
    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)


class FakeHub:
    """Use as a context manager; `url` is what HF_ENDPOINT is set to."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.objects: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.refuses: dict[str, int] = {}
        """Part of a path, and the status that it is answered with."""

    def __enter__(self) -> "FakeHub":
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                hub.answer(self, b"")

            def do_POST(self):
                hub.answer(self, self.rfile.read(int(self.headers["content-length"] or 0)))

            def do_PUT(self):
                if self.headers.get("transfer-encoding") == "chunked":
                    body = b""
                    while size := int(self.rfile.readline(), 16):
                        body += self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                else:
                    body = self.rfile.read(int(self.headers["content-length"] or 0))
                hub.answer(self, body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def answer(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        path = request.path.partition("?")[0]
        self.asked.append(f"{request.command} {path}")
        refused = next((code for part, code in self.refuses.items() if part in path), None)
        if refused:
            status, content = refused, {"error": "that is how it is"}
        elif not path.startswith("/lfs/") and request.headers.get("authorization") != (
            f"Bearer {TOKEN}"
        ):
            status, content = 401, {"error": "Invalid credentials"}
        else:
            status, content = self._answered(request.command, path, body)
        said = json.dumps(content).encode()
        request.send_response(status)
        request.send_header("content-type", "application/json")
        request.send_header("content-length", str(len(said)))
        request.end_headers()
        request.wfile.write(said)

    # One case for every address.
    def _answered(self, verb: str, path: str, body: bytes) -> tuple[int, object]:  # noqa: C901
        match [verb, *path.strip("/").split("/")]:
            case ["POST", "api", "repos", "create"]:
                asked = json.loads(body)
                name = f"{asked['organization']}/{asked['name']}"
                url = f"{self.url}/{name}"
                if name in self.repos:
                    return 409, {"error": "You already created this model repo", "url": url}
                self.repos[name] = Repo(private=asked.get("visibility") == "private")
                return 200, {"url": url, "name": name}
            case ["POST", "api", "validate-yaml"]:
                return 200, {"errors": [], "warnings": []}
            case ["GET", "api", "models", owner, name]:
                repo = self.repos.get(f"{owner}/{name}")
                if repo is None:
                    return 404, {"error": "Repository not found"}
                return 200, {"id": f"{owner}/{name}", "private": repo.private, "sha": "0" * 40}
            case ["POST", "api", "models", _, _, "preupload", "main"]:
                files = json.loads(body)["files"]
                return 200, {"files": [self._mode(file["path"]) for file in files]}
            case ["POST", _, _, "info", "lfs", "objects", "batch"]:
                objects = json.loads(body)["objects"]
                return 200, {"transfer": "basic", "objects": [self._upload(one) for one in objects]}
            case ["PUT", "lfs", oid]:
                self.objects[oid] = body
                return 200, {}
            case ["POST", "lfs", oid, "verify"]:
                held = self.objects.get(oid, b"")
                return (200 if hashlib.sha256(held).hexdigest() == oid else 400), {}
            case ["POST", "api", "models", owner, name, "commit", "main"]:
                self._commit(self.repos[f"{owner}/{name}"], body)
                oid = "1" * 40
                return 200, {
                    "success": True,
                    "commitOid": oid,
                    "commitUrl": f"{self.url}/{owner}/{name}/commit/{oid}",
                }
            case _:
                return 404, {"error": f"the fake has no {verb} {path}"}

    def _mode(self, path: str) -> dict[str, object]:
        mode = "lfs" if path.endswith(".safetensors") else "regular"
        return {"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": None}

    def _upload(self, asked: dict[str, object]) -> dict[str, object]:
        href = f"{self.url}/lfs/{asked['oid']}"
        return {
            **asked,
            "actions": {"upload": {"href": href}, "verify": {"href": f"{href}/verify"}},
        }

    def _commit(self, repo: Repo, body: bytes) -> None:
        for line in body.splitlines():
            match json.loads(line):
                case {"key": "header", "value": header}:
                    repo.commits.append(header["summary"])
                case {"key": "file", "value": file}:
                    repo.files[file["path"]] = base64.b64decode(file["content"])
                case {"key": "lfsFile", "value": file}:
                    repo.files[file["path"]] = self.objects[file["oid"]]
