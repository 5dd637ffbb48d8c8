"""Holds events against the official JSON schemas of OpenLineage, as they are in a folder.

They come in no package, so whoever has them says where: `spec/` of a checkout of OpenLineage, or the whole checkout, which has the
older versions too. A schema is known by its `$id`, wherever it lies. Nothing is asked of the network: what a schema refers to in a version
that the folder lacks is the newest one there of the same file, and an event that claims such a version is refused.

`standard.py` says what the schemas leave open: they let unknown members pass.
"""

import json
import pathlib
import re
from datetime import datetime

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.exceptions import NoSuchResource

ROOT = "https://openlineage.io/spec/"
# Where facets are, and what each of them has to be.
PLACES = {"run": "RunFacet", "job": "JobFacet", "facets": "DatasetFacet", "inputFacets": "InputDatasetFacet", "outputFacets": "OutputDatasetFacet"}
# What is ours is not the standard's to describe; its name says so.
OURS = "asof_"

FORMATS = FormatChecker(["uuid"])


@FORMATS.checks("uri")
def is_uri(text):
    return not isinstance(text, str) or re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*:[!#-;=?-Z\[\]_a-z~%]+", text) is not None


@FORMATS.checks("date-time", raises=ValueError)
def is_moment(text):
    """With a zone, as RFC 3339 has it."""
    if not isinstance(text, str):
        return True
    return datetime.fromisoformat(text).tzinfo is not None and re.fullmatch(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", text) is not None


def version(uri):
    """The file that a schema is, whatever its version, and that version."""
    folder, number, name = re.fullmatch(rf"{re.escape(ROOT)}(facets/)?(\d+-\d+-\d+)/(\w+)\.json", uri).groups()
    return (folder or "") + name, tuple(map(int, number.split("-")))


class Schemas:
    def __init__(self, folder):
        self.known = {}
        for file in pathlib.Path(folder).rglob("*.json"):
            text = file.read_bytes()
            # A checkout has thousands of other documents.
            if ROOT.encode() in text and b'"$id"' in text:
                schema = json.loads(text)
                uri = schema.get("$id", "") if isinstance(schema, dict) else ""
                if re.match(rf"{re.escape(ROOT)}(facets/)?\d+-\d+-\d+/", uri):
                    self.known[uri] = schema
        assert self.known, f"{folder} has no schema of OpenLineage"
        self.newest = {}
        for uri in sorted(self.known, key=version):
            self.newest[version(uri)[0]] = uri
        self.registry = Registry(retrieve=self.retrieve)
        self.kept = {}

    def retrieve(self, uri):
        uri = uri if uri in self.known else self.newest.get(version(uri)[0])
        if uri is None:
            raise NoSuchResource(ref=uri)
        return Resource.from_contents(self.known[uri])

    def check(self, url, value, at):
        """An error unless the value is what this URL describes, which has to be in the folder in just that version."""
        uri, _, _ = url.partition("#")
        assert uri in self.known, f"{at}: there is no {uri}; of these there is {self.newest.get(version(uri)[0])}"
        if url not in self.kept:
            self.kept[url] = Draft202012Validator({"$ref": url}, registry=self.registry, format_checker=FORMATS)
        found = [f"{at}{error.json_path[1:]}: {error.message}" for error in self.kept[url].iter_errors(value)]
        assert not found, "\n".join(found)

    def facets(self, of, base, at):
        """Each facet is what the schema that it names says, has the name that this schema gives it, and is where it may be."""
        for name, facet in of.items():
            self.check(self.newest["OpenLineage"] + f"#/$defs/{base}", facet, f"{at}.{name}")
            if name.startswith(OURS):
                continue
            url = facet["_schemaURL"]
            self.check(url, facet, f"{at}.{name}")
            uri, _, kind = url.partition("#/$defs/")
            schema = self.known[uri]
            assert schema["properties"].get(name) == {"$ref": f"#/$defs/{kind}"}, f"{at}.{name} is not what {url} is called"
            bases = {part["$ref"].rsplit("/", 1)[1] for part in schema["$defs"][kind]["allOf"] if "$ref" in part}
            assert bases == {base}, f"{at}.{name}: {url} is of {bases}"

    def hold(self, event):
        """An error unless the event is what the schema that it names says, and so is each of its facets."""
        self.check(event["schemaURL"], event, "event")
        kind = "RunEvent" if "run" in event else "JobEvent" if "job" in event else "DatasetEvent"
        assert event["schemaURL"].endswith(f"#/$defs/{kind}"), event["schemaURL"]
        for place in ("run", "job"):
            self.facets(event.get(place, {}).get("facets", {}), PLACES[place], place)
        for place in ("dataset", "inputs", "outputs"):
            datasets = [event["dataset"]] if place in event and place == "dataset" else event.get(place, [])
            for dataset in datasets:
                for member in ("facets", "inputFacets", "outputFacets"):
                    self.facets(dataset.get(member, {}), PLACES[member], f"{place}.{member}")

    def behind(self, event):
        """Schemas that the event claims and of which there are newer ones."""
        claimed = set(re.findall(rf'"({re.escape(ROOT)}[^"#]+)#', json.dumps(event)))
        return {uri for uri in claimed if self.newest[version(uri)[0]] != uri}
