#!/usr/bin/env python3
"""make demo: AWS Glue's main job on real data, driven by the unmodified AWS CLI.

Starts `nikawa serve` on a free port of the loopback with its state in --dir, uploads the data, crawls it,
runs a visual job and a hand-written one, and queries what they wrote. Every step prints the command that did it.
"""
import argparse
import csv
import io
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUCKET = "nikawa-demo"
TTY = (sys.stdout.isatty() or bool(os.environ.get("FORCE_COLOR"))) and not os.environ.get("NO_COLOR")


def paint(code, text):
    return f"\033[{code}m{text}\033[0m" if TTY else text


class DemoError(Exception):
    """Something a user must see; printed without a traceback."""


class Demo:
    def __init__(self, options):
        self.options = options
        self.dir = Path(options.dir).resolve()
        self.data = self.dir / "input"
        self.nikawa = str(Path(options.nikawa).resolve())
        self.server = None
        self.env = dict(os.environ)
        self.times = []

    # ---- telling ----

    def step(self, title):
        print(f"\n{paint('1;36', '▸ ' + title)}", flush=True)

    def timed(self, what, started):
        seconds = time.monotonic() - started
        self.times.append((what, seconds))
        print(paint("2", f"  {seconds:.2f} s"), flush=True)

    # ---- doing ----

    def run(self, *command, show=True, quiet=False, check=True):
        """Runs a command with the demo's settings; returns what it printed."""
        if show:
            shown = ["nikawa" if word == self.nikawa else word for word in command]
            print(paint("33", "  $ " + " ".join(shlex.quote(str(word)) for word in shown)), flush=True)
        done = subprocess.run([str(word) for word in command], env=self.env, cwd=ROOT, text=True,
                              capture_output=True)
        if done.returncode and check:
            raise DemoError(f"{command[0]} failed ({done.returncode}): {done.stderr.strip() or done.stdout.strip()}")
        if not quiet and done.stdout.strip():
            print("\n".join("    " + line for line in done.stdout.rstrip().splitlines()), flush=True)
        return done.stdout

    def aws(self, *words, **how):
        return self.run("aws", *words, **how)

    def glue(self, *words, **how):
        text = self.aws("glue", *words, **how)
        return json.loads(text) if text.strip().startswith(("{", "[")) else text

    def start_server(self):
        state = self.dir / "state"
        state.mkdir(parents=True, exist_ok=True)
        if (state / "credentials").exists():  # an earlier demo may have left its server up
            subprocess.run([self.nikawa, "stop", "--data", str(state)], capture_output=True, check=False)
        log = open(self.dir / "server.log", "ab")
        started = time.monotonic()
        self.server = subprocess.Popen(
            [self.nikawa, "serve", "--data", str(state), "--listen", "127.0.0.1:0"],
            stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True)
        line = self.server.stdout.readline().strip()
        if not line:
            tail = (self.dir / "server.log").read_text(errors="replace")[-2000:]
            raise DemoError(f"nikawa serve did not start:\n{tail}")
        print(paint("33", f"  $ nikawa serve --data {os.path.relpath(state)} --listen 127.0.0.1:0"))
        print("    " + line)
        self.timed("server and lake ready", started)
        self.env.update({
            "AWS_CONFIG_FILE": str(state / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(state / "credentials"),
            "AWS_PROFILE": "nikawa", "AWS_PAGER": "", "AWS_DEFAULT_OUTPUT": "json",
            "NIKAWA_DATA": str(state),
        })
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
            self.env.pop(name, None)

    def prepare(self):
        """Flights as one CSV a month, airlines and movies as JSON."""
        if (self.data / "done").exists():
            return
        shutil.rmtree(self.data, ignore_errors=True)
        flights = Path(self.options.flights)
        months = {}
        with zipfile.ZipFile(flights / "flights.csv.zip") as archive:
            rows = csv.reader(io.TextIOWrapper(archive.open("flights.csv"), "utf-8", newline=""))
            header = next(rows)
            year, month = header.index("year"), header.index("month")
            kept = [i for i in range(len(header)) if i not in (year, month)]
            for row in rows:
                months.setdefault((row[year], int(row[month])), []).append([row[i] for i in kept])
        for (y, m), lines in months.items():
            folder = self.data / "flights" / f"year={y}" / f"month={m:02d}"
            folder.mkdir(parents=True)
            with open(folder / "flights.csv", "w", newline="", encoding="utf-8") as out:
                csv.writer(out, lineterminator="\n").writerows([[header[i] for i in kept], *lines])
        (self.data / "airlines").mkdir()
        with open(flights / "airlines.csv", newline="", encoding="utf-8") as source, \
                open(self.data / "airlines" / "airlines.json", "w", encoding="utf-8") as out:
            for row in csv.DictReader(source):
                out.write(json.dumps(row) + "\n")
        (self.data / "movies").mkdir()
        shutil.copy(self.options.movies, self.data / "movies" / "movies.json")
        (self.data / "done").touch()

    def wait(self, what, ask, busy):
        """Polls ask() until its state is not in busy; shows that time goes by."""
        started = last = time.monotonic()
        while (state := ask()) in busy:
            if self.server.poll() is not None:
                raise DemoError(f"the server ended; see {self.dir / 'server.log'}")
            if time.monotonic() - started > 300:
                raise DemoError(f"{what} takes more than five minutes; see {self.dir / 'server.log'}")
            if time.monotonic() - last > 2:
                last = time.monotonic()
                print(paint("2", f"    … {state.lower()}"), flush=True)
            time.sleep(0.1)
        return state

    def run_job(self, name, *arguments):
        started = time.monotonic()
        run = self.glue("start-job-run", "--job-name", name, *arguments)["JobRunId"]
        ask = ["get-job-run", "--job-name", name, "--run-id", run]
        state = self.wait(name, lambda: self.glue(*ask, show=False, quiet=True)["JobRun"]["JobRunState"],
                          {"STARTING", "RUNNING", "WAITING", "STOPPING"})
        done = self.glue(*ask, "--query",
                         "JobRun.{State:JobRunState,Seconds:ExecutionTime,Error:ErrorMessage}")
        self.timed(f"job {name}, with the CLI's own start-up", started)
        self.run(self.nikawa, "logs", run)
        if state != "SUCCEEDED":
            raise DemoError(f"job {name} ended {state}: {done.get('Error')}")

    # ---- the story ----

    def clean(self):
        """A second demo starts from the same place: what an earlier one left is removed."""
        jobs = self.glue("list-jobs", show=False, quiet=True).get("JobNames", [])
        for name in jobs:
            if name in ("delays-by-airline", "movies-by-decade"):
                self.glue("delete-job", "--job-name", name, show=False, quiet=True)
        if "demo-crawler" in self.glue("list-crawlers", show=False, quiet=True).get("CrawlerNames", []):
            self.glue("delete-crawler", "--name", "demo-crawler", show=False, quiet=True)
        databases = self.glue("get-databases", show=False, quiet=True)["DatabaseList"]
        if any(d["Name"] == "demo" for d in databases):
            self.glue("delete-database", "--name", "demo", show=False, quiet=True)
        self.aws("s3", "rb", f"s3://{BUCKET}", "--force", show=False, quiet=True, check=False)

    def upload(self):
        self.step("Upload: a year of flights from New York as CSV, airlines and movies as JSON")
        started = time.monotonic()
        self.aws("s3", "mb", f"s3://{BUCKET}")
        self.aws("s3", "cp", self.data, f"s3://{BUCKET}/raw/", "--recursive", "--exclude", "done", "--only-show-errors")
        self.timed("upload", started)

    def crawl(self):
        self.step("Discover: a crawler finds the tables, their columns and partitions")
        started = time.monotonic()
        self.glue("create-database", "--database-input", "Name=demo")
        self.glue("create-crawler", "--name", "demo-crawler", "--role", "demo", "--database-name", "demo", "--targets",
                  json.dumps({"S3Targets": [{"Path": f"s3://{BUCKET}/raw/{name}/"}
                                            for name in ("flights", "airlines", "movies")]}))
        self.glue("start-crawler", "--name", "demo-crawler")
        ask = ["get-crawler", "--name", "demo-crawler"]
        self.wait("the crawler", lambda: self.glue(*ask, show=False, quiet=True)["Crawler"]["State"],
                  {"RUNNING", "STOPPING"})
        last = self.glue(*ask, "--query", "Crawler.LastCrawl.{Status:Status,Error:ErrorMessage}")
        if last.get("Status") != "SUCCEEDED":
            raise DemoError(f"the crawl ended {last}")
        self.timed("crawl", started)
        self.step("The catalogue now knows")
        self.aws("glue", "get-tables", "--database-name", "demo", "--output", "table", "--query",
                 "TableList[].{Table:Name,Format:Parameters.classification,Rows:Parameters.recordCount,"
                 "Partitions:join(', ',PartitionKeys[].Name)}")
        self.aws("glue", "get-table", "--database-name", "demo", "--name", "flights", "--output", "text", "--query",
                 "Table.StorageDescriptor.Columns[].[Name,Type]")

    def visual_job(self):
        self.step("A visual job: its nodes become a script that also runs on AWS, unchanged")
        self.glue("create-job", "--cli-input-json", "file://examples/demo/visual_job.json")
        self.aws("s3", "cp", f"s3://{BUCKET}/scripts/delays-by-airline.py", "-")
        self.step("Run it")
        self.run_job("delays-by-airline")
        self.step("Ask what it wrote")
        self.run(self.nikawa, "sql", "select airline, origin, round(mean_delay_min, 1) as mean_delay_min, late_flights "
                 "from demo.delays order by late_flights desc limit 8")

    def script_job(self):
        self.step("A script written by hand: a column of two types, Spark, a Python UDF")
        self.aws("s3", "cp", "examples/demo/movies.py", f"s3://{BUCKET}/scripts/movies.py", "--only-show-errors")
        self.glue("create-job", "--name", "movies-by-decade", "--role", "demo", "--glue-version", "5.0",
                  "--command", f"Name=glueetl,ScriptLocation=s3://{BUCKET}/scripts/movies.py,PythonVersion=3",
                  "--default-arguments", json.dumps({"--source": f"s3://{BUCKET}/raw/movies/",
                                                     "--target": f"s3://{BUCKET}/decades/"}))
        self.run_job("movies-by-decade")
        self.step("Ask what it wrote")
        self.run(self.nikawa, "sql", "select * from demo.decades order by decade")

    def summary(self):
        self.step("Times")
        width = max(len(what) for what, _ in self.times)
        for what, seconds in self.times:
            print(f"    {what:<{width}}  {seconds:8.2f} s")
        self.step("Sizes")
        self.aws("s3", "ls", f"s3://{BUCKET}/", "--recursive", "--summarize", "--human-readable", show=False, quiet=True)
        for name in ("raw", "delays", "decades"):
            text = self.aws("s3", "ls", f"s3://{BUCKET}/{name}/", "--recursive", "--summarize", show=False, quiet=True)
            totals = dict(line.strip().split(": ") for line in text.splitlines() if line.strip().startswith("Total"))
            print(f"    {name:<8} {int(totals['Total Objects']):4} objects  {int(totals['Total Size']) / 1e6:9.2f} MB")

    def farewell(self):
        if self.options.once:
            return
        state = os.path.relpath(self.dir / "state")
        print(f"""
{paint('1;32', 'The server is still up.')} Try next:

    eval "$({os.path.relpath(self.nikawa)} env --data {state})"     the AWS CLI and boto3 now talk to it
    aws glue get-tables --database-name demo
    {os.path.relpath(self.nikawa)} sql "select count(*) from demo.flights" --data {state}
    {os.path.relpath(self.nikawa)} logs --data {state}
    make stop                                          ends it; the data stays in {os.path.relpath(self.dir)}""")

    def stop_server(self):
        if self.server and self.server.poll() is None:
            self.server.send_signal(signal.SIGTERM)
            try:
                self.server.wait(20)
            except subprocess.TimeoutExpired:
                self.server.kill()

    def main(self):
        keep = False
        try:
            self.step("Start: one process and its lake")
            self.prepare()
            self.start_server()
            self.clean()
            self.upload()
            self.crawl()
            self.visual_job()
            self.script_job()
            self.summary()
            keep = not self.options.once
            self.farewell()
        finally:
            if not keep:
                self.stop_server()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", default=str(ROOT / "demo-data"), help="where the demo keeps its state")
    parser.add_argument("--nikawa", default=str(ROOT / "build" / "nikawa"))
    parser.add_argument("--flights", required=True, help="folder with flights.csv.zip and airlines.csv")
    parser.add_argument("--movies", required=True, help="movies.json")
    parser.add_argument("--once", action="store_true", help="stop the server at the end")
    options = parser.parse_args()
    # Ctrl-C and SIGTERM leave by the same door, so that nothing stays behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        Demo(options).main()
    except DemoError as error:
        sys.exit(paint("1;31", f"\ndemo: {error}"))
    except KeyboardInterrupt:
        sys.exit("\ndemo: stopped, nothing is left running")


if __name__ == "__main__":
    main()
