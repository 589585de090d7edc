"""`make drill`: failures strike the service on servers of this machine, and their table.

Starts three Kafka brokers (--brokers 1 for one), a schema registry and PostgreSQL from the cache, runs `synfinance drill` against
them in each delivery mode, and prints what it prints. Arguments that are not known here are those of
`synfinance drill`; a broker is restarted by SIGKILL and a new start, after --outage if there are several.

    make drill ARGS="--delivery exactly_once --only kill,broker --rate 5000"
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import servers

ROOT = Path(__file__).resolve().parents[2]


def obey(brokers, ask, done):
    """Restarts a broker whenever somebody writes its id and seconds to one pipe, and says so in the
    other."""
    while True:
        number, seconds = (int(word) for word in ask.read_text().split())
        broker = brokers[number - 1]
        broker.crash()
        if len(brokers) > 1:
            time.sleep(seconds)
        broker.start_again()
        servers.wait_for_broker(broker)
        done.write_text("done\n")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--delivery", type=lambda t: t.split(","), default=["at_least_once", "exactly_once"])
    add("--brokers", type=int, default=3)
    add("--config", default="{}", help="more configuration, as JSON")
    add("--binary", type=Path, default=ROOT / "target/release/synfinance")
    arguments, rest = parser.parse_known_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))

    started = []
    with tempfile.TemporaryDirectory(prefix="synfinance-drill-") as directory:
        ask, done, site, more = (
            Path(directory) / name for name in ("ask", "done", "site.yaml", "more.yaml")
        )
        os.mkfifo(ask)
        os.mkfifo(done)
        try:
            heap = "1g" if arguments.brokers == 1 else "512m"
            brokers = servers.start_brokers(arguments.brokers, heap)
            started += brokers
            for start in (servers.start_registry, servers.start_postgres):
                started.append(start())
            registry, postgres = started[len(brokers) :]
            threading.Thread(target=obey, args=(brokers, ask, done), daemon=True).start()
            config = {
                "stream": {"brokers": [broker.brokers for broker in brokers]},
                "schema_registry": {"url": registry.address},
                "state": {"database_url": postgres.url},
                "telemetry": {"level": "warn"},
            }
            site.write_text(json.dumps(config))
            more.write_text(arguments.config)
            command = [str(arguments.binary.resolve()), "--config", str(site)]
            command += ["--config", str(more), "drill"]
            restart = f"echo $SYNFINANCE_BROKER $SYNFINANCE_OUTAGE >{ask} && cat {done}"
            command += ["--restart-broker", restart, *rest]
            worst = 0
            for delivery in arguments.delivery:
                print(f"{delivery}\n", flush=True)
                drill = subprocess.run([*command, "--delivery", delivery], cwd=directory)
                worst = max(worst, drill.returncode)
                print(flush=True)
            return worst
        finally:
            for process in started:
                process.stop()


sys.exit(main())
