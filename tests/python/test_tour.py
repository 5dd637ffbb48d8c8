"""The tour of sql/flights on three weeks of generated flights, held against its rules told again in Python.

Generated is what happened, as moments in UTC. The files tell it as the real ones do, by clock faces and
delays, so `landings` has to find out again when each flight landed.
"""

import csv
import json
import os
import pathlib
import random
import subprocess
import tempfile
import unittest
import zipfile
from collections import Counter, defaultdict
from datetime import datetime, timedelta, timezone

TOUR = pathlib.Path(__file__).resolve().parents[2] / "sql" / "flights"
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
# Midnight in New York, when it goes to summer time, the moment asked about, and since when planes are known.
START = datetime(2013, 3, 1, 5, tzinfo=timezone.utc)
CLOCKS_CHANGE = datetime(2013, 3, 10, 7, tzinfo=timezone.utc)
AT = datetime(2013, 3, 20, 18, tzinfo=timezone.utc)
NEW_YEAR = datetime(2013, 1, 1, tzinfo=timezone.utc)

ORIGINS, CARRIERS, TAILNUMS = ["EWR", "JFK", "LGA"], ["9E", "AA", "B6", "DL", "UA"], [f"N{n:03}" for n in range(90)]
# Hours from UTC, whether there is summer time, miles and usual minutes from New York; two are in no file.
LISTED = {"IAH": (-6, "A", 1400, 240), "MIA": (-5, "A", 1000, 190), "PHX": (-7, "N", 2153, 330)}
NEW_YORK, PLACES = (-5, "A"), LISTED | {"BQN": (-4, "N", 1576, 225), "SJU": (-4, "N", 1598, 230)}
# As in the real files. What a row below does not say is NA.
HEADERS = dict(
    flights="year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,flight,tailnum,"
    "origin,dest,air_time,distance,hour,minute,time_hour",
    weather="origin,year,month,day,hour,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib,time_hour",
    planes="tailnum,year,type,manufacturer,model,engines,seats,speed,engine",
    airports="faa,name,lat,lon,alt,tz,dst,tzone",
)
# The features of each view, and how long its rows count if not for ever.
VIEWS = {"weather": ["temp", "wind_speed", "precip", "visib"], "plane": ["last_arr_delay"], "facts": ["age", "seats"]}
VIEWS |= {"carrier": ["mean_delay_7d", "flights_7d"], "route": ["route_delay_7d", "route_flights_7d"]}
TTL, ENTITY = {"weather": 3 * HOUR, "plane": 2 * DAY}, ["origin", "dest", "carrier", "tailnum", "distance"]


def clock(moment, place):
    """What the clocks show there."""
    return moment + (place[0] + (place[1] == "A" and moment >= CLOCKS_CHANGE)) * HOUR


def face(moment, place):
    """A clock face as the files write it: 5:17 is 517, midnight is 2400."""
    return clock(moment, place).hour * 100 + moment.minute or 2400


def text(value, null):
    """A value as files have it."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return null if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def flight(number, sched, tailnum, chance):
    """A row of the file, and by other names the moments that it tells of."""
    dest, fate = chance.choice(list(PLACES)), chance.random()
    left = sched + chance.choice([-5, -3, 0, 1, 1, 4, 20, 75, 400]) * MINUTE
    landed = left + (PLACES[dest][3] + chance.randrange(-25, 30)) * MINUTE
    row = dict(zip(["year", "month", "day", "hour", "minute"], clock(sched, NEW_YORK).timetuple()))
    row |= {"origin": chance.choice(ORIGINS), "dest": dest, "carrier": chance.choice(CARRIERS), "flight": number}
    row |= {"tailnum": None if fate < 0.01 else tailnum, "distance": PLACES[dest][2], "sched_dep": sched}
    row |= {"time_hour": sched.replace(minute=0), "sched_dep_time": face(sched, NEW_YORK), "landed_at": None}
    if fate > 0.02:  # not cancelled
        row |= {"dep_time": face(left, NEW_YORK), "dep_delay": (left - sched) // MINUTE}
    if fate > 0.05:  # nor diverted
        delay = (landed - sched) // MINUTE - PLACES[dest][3]
        row |= {"arr_time": face(landed, PLACES[dest]), "arr_delay": delay, "landed_at": landed}
    return row


def flights(chance):
    """Day by day, in the end some corrections."""
    landed, told = defaultdict(list), []
    for day in range(21):
        for number in range(120):
            sched = START + day * DAY + chance.choice([*range(5, 24), 23]) * HOUR
            sched += chance.choice([0, 0, 0, 15, 29, 30, 59, 59]) * MINUTE - (sched > CLOCKS_CHANGE) * HOUR
            # If there is one, a plane that came in at this very minute, or as long ago as just counts.
            planes = [*landed[sched], *landed[sched - 2 * DAY], *landed[sched - 2 * DAY - MINUTE]]
            tailnum = chance.choice(planes) if planes else chance.choices(TAILNUMS, range(1, 91))[0]
            row = flight(number, sched, tailnum, chance)
            # views.sql: in the air while the clocks change, a landing comes out an hour late.
            if not row["landed_at"] or not sched < CLOCKS_CHANGE <= row["landed_at"]:
                told.append(row)
                landed[row["landed_at"]].append(tailnum)
    for f in chance.sample([f for f in told if f["landed_at"] and f["landed_at"] > CLOCKS_CHANGE], 20):
        later = f["landed_at"] + 17 * MINUTE
        told.append(dict(f, landed_at=later, arr_time=face(later, PLACES[f["dest"]]), arr_delay=f["arr_delay"] + 17))
    return told


def weather(chance):
    """Hourly, with gaps; none at LaGuardia on the first day, nor just before AT."""
    for origin in ORIGINS:
        moment = START + (origin == "LGA") * DAY
        while moment < START + 22 * DAY:
            row = {"origin": origin, "time_hour": moment, "visib": moment.hour / 4}
            row |= {"temp": chance.choice([None, 39.02, 41.0, 60.08]), "precip": chance.choice([None, 0.0, 0.02])}
            row["wind_speed"] = chance.choice([None, 3.45234, 11.5078, 1048.36058])
            if origin != "LGA" or not AT - 4 * HOUR <= moment <= AT:
                yield row
            moment += (chance.choice([2, 3, 4, 9]) if chance.random() < 0.1 else 1) * HOUR


class World:
    """What happened, as rows and as files: what is told, and what there is of flights when all is told."""

    def __init__(self):
        chance, last = random.Random(2013), {}
        years = [1984 + n % 29 if n % 7 else None for n in range(90)]
        planes = [{"tailnum": t, "year": y, "seats": 99} for t, y in zip(TAILNUMS, years) if not t.endswith("3")]
        airports = [{"faa": faa, "tz": tz, "dst": dst} for faa, (tz, dst, *_) in LISTED.items()]
        self.told = {"flights": flights(chance), "weather": [*weather(chance)], "planes": planes, "airports": airports}
        for f in reversed(self.told["flights"]):  # a key told again is a correction: the last one counts
            last.setdefault((f["year"], f["month"], f["day"], f["carrier"], f["flight"], f["origin"]), f)
        self.flights = list(last.values())[::-1]

    def write(self, folder):
        folder.mkdir()
        for name, rows in self.told.items():
            with (folder / f"{name}.csv").open("w", newline="") as file:
                writer = csv.DictWriter(file, HEADERS[name].split(","), restval="NA", extrasaction="ignore")
                writer.writeheader()
                writer.writerows({column: text(value, "NA") for column, value in row.items()} for row in rows)
        with zipfile.ZipFile(folder / "flights.csv.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(folder / "flights.csv", "flights.csv")


class Oracle:
    """SEMANTICS.md the slow and obvious way: the rows of the views, and which of them counts."""

    def __init__(self, world, landing="landed_at"):
        """`landing` is the moment when a plane's delay is known; another is the one wrong word of leak.sql."""
        self.rows, groups = defaultdict(list), defaultdict(list)
        for row in world.told["weather"]:
            wind = row["wind_speed"] if row["wind_speed"] is not None and row["wind_speed"] < 250 else None
            values = [row["temp"], wind, row["precip"], row["visib"]]
            self.rows["weather", row["origin"]].append((row["time_hour"], values))
        for plane in world.told["planes"]:
            age = plane["year"] and 2013 - plane["year"]
            self.rows["facts", plane["tailnum"]].append((NEW_YEAR, [age, plane["seats"]]))
        for f in (f for f in world.flights if f["landed_at"]):
            self.rows["plane", f["tailnum"]].append((f[landing], [f["arr_delay"]]))
            for key in [("carrier", f["carrier"]), ("route", f["origin"], f["dest"])]:
                groups[key].append((f["landed_at"], f["arr_delay"]))
        for key, group in groups.items():
            for t, _ in group:
                week = [delay for ts, delay in group if t - 7 * DAY <= ts <= t]
                self.rows[key].append((t, [sum(week) / len(week), len(week)]))

    def newest(self, key, t):
        """Of the rows of a key with `ts <= t` the newest, of equals the last accepted: status, `ts`, values."""
        past = [(ts, seq) for seq, (ts, _) in enumerate(self.rows[key]) if ts <= t]
        ts, seq = max(past, default=(None, None))
        if not past or t - ts > TTL.get(key[0], timedelta.max):
            return "expired" if past else "missing", ts, [None] * len(VIEWS[key[0]])
        return "present", ts, self.rows[key][seq][1]

    def features(self, entity, t):
        """Status and value by name, in the order of arrival_risk."""
        origin, dest, carrier, tailnum, distance = (entity[name] for name in ENTITY)
        found, keys = {}, [("weather", origin), ("carrier", carrier), ("route", origin, dest)]
        for key in [*keys, ("plane", tailnum), ("facts", tailnum)]:
            status, _, values = self.newest(key, t)
            for name, value in zip(VIEWS[key[0]], values):
                found[name] = "null" if status == "present" and value is None else status, value
        # AND knows the answer without the delay where the flight is short.
        status, delay = found["last_arr_delay"]
        found["risky"] = ("present", False) if distance <= 1000 else (status, None if delay is None else delay > 15)
        return found


class Tour(unittest.TestCase):
    maxDiff = None  # a row is shown whole

    @classmethod
    def setUpClass(cls):
        """The steps of demo.sh. The definitions are the tour's, but that a training set has an order to keep."""
        folder = tempfile.TemporaryDirectory(prefix="asof-tour-")
        cls.addClassCleanup(folder.cleanup)
        cls.root, cls.world = pathlib.Path(folder.name), World()
        cls.world.write(cls.root / "data")
        cls.oracle = Oracle(cls.world)
        for file in [*TOUR.glob("*.sql"), TOUR / "asof.toml"]:
            in_order = "FROM flights ORDER BY sched_dep DESC, flight;"
            (cls.root / file.name).write_text(file.read_text().replace("FROM flights;", in_order))
        cls.asof("apply")
        cls.ingest()
        cls.sets = {name: cls.train(name) for name in ["delays", "leaky_delays"]}
        cls.asof("materialize", "--at", "2013-03-20 18:00")
        cls.log = cls.asof("log", "--limit", "0")

    @classmethod
    def asof(cls, *arguments, code=0):
        """What a verb says as JSON."""
        command = [os.environ["ASOF_BIN"], *arguments, "--output", "json"]
        environment = {name: value for name, value in os.environ.items() if name != "ASOF_SERVER"}
        done = subprocess.run(command, cwd=cls.root, env=environment, capture_output=True, text=True, timeout=60)
        if done.returncode != code:
            raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return json.loads(done.stdout)

    @classmethod
    def ingest(cls):
        files = {name: f"data/{name}.csv" for name in HEADERS} | {"flights": "data/flights.csv.zip"}
        since = text(NEW_YEAR, None)
        more = {"planes": ["--set", f"registered_at={since}"], "airports": ["--set", f"listed_at={since}"]}
        return {n: cls.asof("ingest", n, file, "--null", "NA", *more.get(n, [])) for n, file in files.items()}

    @classmethod
    def train(cls, name):
        """What was said of a training set, and its rows as texts."""
        said = cls.asof("train", name, "--out", f"{name}.csv")
        lines = (cls.root / f"{name}.csv").read_text().splitlines()
        return said["built"], said["training_set"], list(csv.DictReader(lines))

    def check(self, name, oracle):
        """That a training set has one row for each flight, in order, as the oracle has it."""
        spine = sorted(self.world.flights, key=lambda f: (AT - f["sched_dep"], f["flight"]))
        self.assertEqual(len(self.sets[name][2]), len(spine), f"rows of {name}")
        for place, (row, f) in enumerate(zip(self.sets[name][2], spine)):
            expected = {c: f[c] for c in [*ENTITY, "sched_dep"]} | {"late": f["landed_at"] and f["arr_delay"] > 15}
            expected |= {feature: value for feature, (_, value) in oracle.features(f, f["sched_dep"]).items()}
            expected = [(column, text(value, "")) for column, value in expected.items()]
            self.assertEqual(list(row.items()), expected, f"row {place} of {name}")

    def test_each_flight_is_told_what_was_known_at_its_departure(self):
        self.check("delays", self.oracle)

    def test_the_leaking_set_knows_a_landing_at_departure(self):
        self.check("leaky_delays", Oracle(self.world, landing="sched_dep"))
        self.assertNotEqual(self.sets["leaky_delays"][2], self.sets["delays"][2])

    def test_what_can_be_found_of_the_leaks_is_found(self):
        findings = lambda name, **how: {
            view["view"]["name"]: view["finding"] for view in self.asof("verify", name, "--leakage", **how)["views"]
        }
        self.assertEqual(findings("carrier_day", code=1), {"landings": "clean", "carrier_day": "leak"})
        # Nothing in the data says when the delay became known that leaky_plane_history tells at departure.
        for service, views in {"arrival_risk": 6, "leaky_arrival_risk": 6, "arrival_trends": 7}.items():
            found = findings(service)
            self.assertEqual((len(found), set(found.values())), (views, {"clean"}), service)

    def test_the_sample_has_every_edge(self):
        """Else the tests above would hold less than they say."""
        ages = set()
        for f in self.world.flights:
            for key in [("weather", f["origin"]), ("plane", f["tailnum"])]:
                _, ts, _ = self.oracle.newest(key, f["sched_dep"])
                ages.add((key[0], ts and f["sched_dep"] - ts))
        wanted = {("weather", age) for age in [None, 0 * HOUR, 3 * HOUR, 3 * HOUR + 15 * MINUTE]}
        wanted |= {("plane", age) for age in [None, 0 * HOUR, 2 * DAY, 2 * DAY + MINUTE]}
        self.assertEqual(wanted - ages, set(), "no flight leaves so long after the newest row")
        for column, odd in {"arr_time": 2400, "dep_time": 3, "arr_delay": 15, "tailnum": None, "sched_dep": AT}.items():
            self.assertIn(odd, [f.get(column) for f in self.world.flights], column)

    def test_what_is_served_is_what_training_says_of_that_moment(self):
        asked = [{name: f[name] for name in ENTITY} for f in self.world.flights if abs(f["sched_dep"] - AT) <= DAY]
        asked.append({"origin": "SWF", "dest": "SAN", "carrier": "ZZ", "tailnum": "N999", "distance": 2446})
        (self.root / "asked.jsonl").write_text("\n".join(map(json.dumps, asked)))
        got = self.asof("get", "arrival_risk@1", "--file", "asked.jsonl", "--at", AT.isoformat())["entities"]
        for entity, answer in zip(asked, got, strict=True):
            features = {f["name"]: (f["status"], f["value"]) for f in answer["features"]}
            self.assertEqual(features, self.oracle.features(entity, AT), f"arrival_risk of {entity} at {AT}")
        self.assertEqual({f["status"] for a in got for f in a["features"]}, {"present", "null", "missing", "expired"})

    def test_explain_names_the_files_that_each_view_comes_from(self):
        asked = "departure_delay@1 origin=JFK carrier=UA tailnum=N080 distance=1400 --at 2013-03-20T18:00:00Z".split()
        names = lambda origin: {f["url"].split("/")[-1] for s in origin["snapshots"] for f in s["files"]}
        expected = dict.fromkeys(["carrier_delays", "plane_history"], {"flights.csv.zip", "airports.csv"})
        expected |= {"origin_weather": {"weather.csv"}, "plane_facts": {"planes.csv"}}
        self.assertEqual({o["alias"]: names(o) for o in self.asof("explain", *asked)["origins"]}, expected)

    def test_lineage_names_what_a_service_is_made_of_and_who_uses_it(self):
        names = defaultdict(set)
        for node in self.asof("lineage", "arrival_risk")["nodes"]:
            names[node["kind"]].add(node["name"].split("@")[0])
        views = {"airport_weather", "carrier_delays", "route_delays", "plane_history", "plane_facts", "landings"}
        self.assertEqual(names["feature_view"], views)
        self.assertEqual((names["dataset"], names["training_set"]), (set(HEADERS), {"delays"}))

    def test_windows_of_carriers_routes_and_planes_are_served_as_they_are_trained_on(self):
        for service in ["punctuality", "arrival_trends"]:
            compared = self.asof("verify", service, "--samples", "500")
            self.assertEqual((compared["differing"], compared["failed"]), (0, 0), service)
            self.assertGreater(compared["rows"], 10, service)

    def test_every_run_is_recorded_as_done(self):
        runs = {"apply": 1, "ingest": 4, "train": 2, "materialize": 9}  # a run for each view
        self.assertEqual(Counter((r["verb"], r["state"]) for r in self.log), {(v, "done"): n for v, n in runs.items()})

    def test_training_sets_rebuild_to_the_bit(self):
        for name, (_, built, _) in self.sets.items():
            rebuilt = self.asof("rebuild", name, "--check")
            self.assertEqual((rebuilt["equal"], rebuilt["content"]), (True, built["content"]), name)

    def test_the_same_again_changes_nothing(self):
        before, trained = self.asof("ls"), (False, *self.sets["delays"][1:])
        self.assertEqual({change["effect"] for change in self.asof("apply")["changes"]}, {"unchanged"})
        for name, said in self.ingest().items():
            self.assertEqual((said["snapshot"], len(said["skipped"])), (None, 1), f"{name} was ingested twice")
        self.assertEqual(self.train("delays"), trained)
        self.assertEqual(self.asof("ls"), before)


if __name__ == "__main__":
    unittest.main()
