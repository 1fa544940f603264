"""Judges an answer by botocore's service model: botocore itself parses whatever comes, so a test that
only uses a client never sees a missing member, a wrong enum value or a broken pattern."""

import datetime

import regex

_NUMBERS = {"integer", "long", "float", "double"}


def violations_of(shape, answer, path=""):
    """What of an answer does not fit an output shape, one line a violation."""
    if shape is None:
        return [] if answer in ({}, None) else [f"{path or 'answer'}: there is none in the model"]
    return list(_violations(shape, answer, path))


def _violations(shape, value, path):
    if shape.type_name == "structure":
        yield from _structure(shape, value, path)
    elif shape.type_name == "list":
        yield from _list(shape, value, path)
    elif shape.type_name == "map":
        for key, each in value.items():
            yield from _violations(shape.value, each, f"{path}.{key}")
    elif not _has_type(shape, value):
        yield f"{path}: {value!r} is not a {shape.type_name}"
    else:
        yield from _scalar(shape, value, path)


def _structure(shape, value, path):
    if not isinstance(value, dict):
        yield f"{path}: {value!r} is not a structure"
        return
    if getattr(shape, "is_document_type", False):
        return
    for member in shape.required_members:
        if value.get(member) is None:
            yield f"{path}.{member}: missing"
    for member, each in value.items():
        if member not in shape.members:
            yield f"{path}.{member}: not in the model"
        elif each is None:
            yield f"{path}.{member}: null"
        else:
            yield from _violations(shape.members[member], each, f"{path}.{member}")


def _list(shape, value, path):
    if not isinstance(value, list):
        yield f"{path}: {value!r} is not a list"
        return
    yield from _bounds(shape, len(value), path, "rows")
    for each in value:
        yield from _violations(shape.member, each, f"{path}[]")


def _has_type(shape, value):
    kind = shape.type_name
    if kind == "string":
        return isinstance(value, str)
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "timestamp":
        # JSON has seconds; of XML the client has made a time already.
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number or isinstance(value, datetime.datetime)
    if kind in _NUMBERS:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return True


def _scalar(shape, value, path):
    metadata = shape.metadata
    if shape.type_name == "string":
        yield from _bounds(shape, len(value), path, "characters")
        if metadata.get("enum") and value not in metadata["enum"]:
            yield f"{path}: {value!r} is none of {metadata['enum']}"
        pattern = metadata.get("pattern")
        if pattern and not regex.fullmatch(pattern, value):
            yield f"{path}: {value!r} does not fit {pattern}"
    elif shape.type_name in _NUMBERS:
        yield from _bounds(shape, value, path, "")


def _bounds(shape, number, path, of_what):
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and number < least:
        yield f"{path}: {number} {of_what}, at least {least}"
    if most is not None and number > most:
        yield f"{path}: {number} {of_what}, at most {most}"
