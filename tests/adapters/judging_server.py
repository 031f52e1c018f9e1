"""A judge behind the routes of `jurist serve`, with no model: python judging_server.py PORT"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import uvicorn

from jurist.serving import About, Service, make_app

sys.path.insert(0, str(Path(__file__).parent))
from stating import judge

about = About(model="rule", fingerprint="f00d", kind="rule", format="", votes=1, version="0")
with ThreadPoolExecutor(1) as thread:
    app = make_app(Service(judge, about=about, executor=thread))
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="critical", lifespan="off")
