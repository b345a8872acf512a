#!/usr/bin/env python3
"""Asks python-dateutil, which reads the times that people give to Barman, what 200 spellings mean.

Writes `table.json` beside itself; `tests/target_time.rs` compares ours with it.

    python3 -m venv /tmp/oracle && /tmp/oracle/bin/pip install python-dateutil==4.0.0
    /tmp/oracle/bin/python tests/target_time_golden/make.py
"""

import json
import os
import pathlib
import time
import warnings
from datetime import datetime, timezone

from dateutil import parser, tz

HERE = pathlib.Path(__file__).parent
ZONES = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]

# Each is filled with two of the moments below, and read in two of the zones.
FORMS = """
%Y-%m-%d %H:%M:%S
%Y-%m-%d %H:%M:%S.%f
%Y-%m-%d %H:%M:%S,%f
%Y-%m-%d %H:%M
%Y-%m-%d %H
%Y-%m-%d
%Y-%m-%dT%H:%M:%S
%Y-%m-%dt%H:%M:%S
%Y-%m-%dT%H:%M:%S.%f
%Y-%m-%dT%H:%M
%Y-%m-%dT%H
%Y-%m-%dT%H%M%S
%Y-%m-%d %H%M
%Y-%m-%d-%H:%M:%S
%Y-%m-%d, %H:%M
%Y-%m-%d at %H:%M
%Y-%m-%d T %H:%M:%S
%Y/%m/%d %H:%M:%S
%Y/%m/%d
%Y.%m.%d %H:%M:%S
%Y %m %d %H:%M:%S
%Y%m%dT%H%M%S
%Y%m%dT%H%M%S.%f
%Y%m%dT%H%M
%Y%m%dT%H
%Y%m%d %H%M%S
%Y%m%d%H%M%S
%Y%m%d%H%M
%Y%m%d
%Y%m%d %H:%M:%S
%Y-%m-%d %H:%M:%SZ
%Y-%m-%d %H:%M:%S Z
%Y-%m-%dT%H:%M:%S.%fZ
%Y-%m-%dT%H:%M:%Sz
%Y%m%dT%H%M%SZ
%Y-%m-%d %H:%M:%S UTC
%Y-%m-%d %H:%M:%SUTC
%Y-%m-%d %H:%M GMT
%Y-%m-%d %H:%M:%S+2
%Y-%m-%d %H:%M:%S+02
%Y-%m-%d %H:%M:%S -03
%Y-%m-%d %H:%M:%S+0530
%Y-%m-%d %H:%M:%S -0330
%Y-%m-%dT%H:%M:%S+10:30
%Y-%m-%d %H:%M:%S.%f-03:30
%Y-%m-%dT%H:%M-11:00
%Y-%m-%dT%H+01
%Y%m%dT%H%M%S+0545
%Y%m%dT%H%M%S.%f-09:30
%Y-%m-%d %H:%M:%S +0100 (CET)
%m/%d/%Y %H:%M:%S
%m/%d/%Y %H:%M %p
%m/%d/%Y
%m-%d-%Y %H:%M
%m.%d.%Y %H:%M
%d/%m/%Y %H:%M:%S
%d-%m-%Y %H:%M
%d.%m.%Y %H:%M
%d.%m.%Y
%m/%d/%y %H:%M
%d-%b-%Y %H:%M:%S
%d-%b-%y %H:%M:%S
%d/%b/%Y %H:%M:%S +0100
%d %b %Y %H:%M:%S
%d %b %y %H:%M
%d %B %Y %H:%M
%d %B %Y at %H:%M:%S
%dth of %B %Y %H:%M
%b %d %Y %H:%M:%S
%b %d, %Y %H:%M
%b. %d, %Y %H:%M
%B %d, %Y %I:%M:%S %p
%b-%d-%Y %H:%M
%Y-%b-%d %H:%M
%Y %B %d %H:%M
%b %d %H:%M:%S %Y
%a %b %d %H:%M:%S %Y
%a %b %d %H:%M:%S UTC %Y
%a %b %d %H:%M:%S %Y +0200
%a, %d %b %Y %H:%M:%S -0700
%A, %B %d, %Y %H:%M
%A %d %B %Y %I:%M %p
%H:%M:%S %d/%m/%Y
%H:%M %Y-%m-%d
%I%p on %b %d, %Y
%Y-%m-%d %I:%M%p
%Y-%m-%d %I:%M:%S a.m.
%Y-%m-%d %I p.m.
%Y-%m-%d %Hh%Mm%Ss
%Y-%m-%d %Hh%M
%Y-%m-%d %Hh
""".strip().split("\n")
MOMENTS = [datetime(2026, 11, 22, 11, 45, 55, 123456), datetime(2024, 5, 19, 0, 7, 8, 900000)]

# Read in the zone given.
SINGLE = [
    ("Europe/Berlin", "01/02/2026 11:45"),
    ("Europe/Berlin", "5.1.2026 1:02"),
    ("Europe/Berlin", "2026-1-5 1:2:3"),
    ("Asia/Kolkata", "26/11/22 11:45"),
    ("Asia/Kolkata", "Nov 22 '26 11:45"),
    ("America/New_York", "2026-11-22 12:00 AM"),
    ("America/New_York", "2026-11-22 12:00 PM"),
    ("America/New_York", "  2026-11-22   11:45:55  "),
    ("America/New_York", "2026-11-22\t11:45:55.1234567"),
    # The clocks are set back: 2:30 comes twice in Berlin, 1:30 in New York, 1:45 on Lord Howe, where it is by half an hour.
    ("Europe/Berlin", "2026-10-25 02:30:00"),
    ("Europe/Berlin", "2026-10-25 02:30:00+01:00"),
    ("Europe/Berlin", "25 Oct 2026 2:59:59.999999"),
    ("Europe/Berlin", "2026-10-25 03:00"),
    ("Europe/Berlin", "2026-10-25 01:59:59"),
    ("America/New_York", "Nov 1 2026 1:30 am"),
    ("America/New_York", "2026-11-01 02:00"),
    ("Australia/Lord_Howe", "2026-04-05 01:45"),
    ("Australia/Lord_Howe", "2026-04-05 01:15"),
    # They are put forward.
    ("Europe/Berlin", "2026-03-29 02:30"),
    ("Europe/Berlin", "2026-03-29 02:30Z"),
    ("Europe/Berlin", "2026-03-29 03:00"),
    ("America/New_York", "2026-03-08 02:00:00"),
    ("America/New_York", "3/8/2026 2:59:59 AM"),
    ("Australia/Lord_Howe", "2026-10-04 02:15"),
    ("Australia/Lord_Howe", "2026-10-04 02:30"),
    # Parts are missing.
    ("Europe/Berlin", "10:00"),
    ("Europe/Berlin", "10:00:00+01:00"),
    ("Europe/Berlin", "10pm"),
    ("Europe/Berlin", "Sunday"),
    ("Europe/Berlin", "Sunday 10:00"),
    ("Europe/Berlin", "Jan 5"),
    ("Europe/Berlin", "5 January 10:00"),
    ("Europe/Berlin", "Jan 2026"),
    ("Europe/Berlin", "2026-01"),
    ("Europe/Berlin", "2026"),
    ("Europe/Berlin", "5"),
    # No moment at all.
    ("Europe/Berlin", "tomorrow"),
    ("Europe/Berlin", "now"),
    ("Europe/Berlin", "1795347955"),
    ("Europe/Berlin", "2026-02-30 10:00"),
    ("Europe/Berlin", "2026-13-01 10:00"),
    ("Europe/Berlin", "2026-11-22 24:00"),
    ("Europe/Berlin", "2026-11-22 11:60"),
    ("Europe/Berlin", "2026-11-22 13:00 PM"),
    ("Europe/Berlin", "2026-11-22 11:45:55+25:00"),
    ("Europe/Berlin", "2026-11-22 11:45:55 2026-11-23"),
]

# dateutil reads these, and we refuse to.
REFUSED = [
    ("Europe/Berlin", "Sun Nov 22 11:45:55 CET 2026", "names of zones are not unique"),
    ("America/New_York", "2026-11-22 11:45 EST", "names of zones are not unique"),
    ("Europe/Berlin", "2026-11-22 11:45:55 PST", "names of zones are not unique"),
    ("Europe/Berlin", "2026-11-22 11:45:55 UTC+3", "the sign means the opposite to other programs"),
    ("Europe/Berlin", "Mon Nov 22 2026 10:00", "it was a Sunday"),
    ("Europe/Berlin", "261122", "which is the year?"),
    ("Europe/Berlin", "2026-11-22 -1:00", "an hour before midnight, or an offset?"),
    ("Europe/Berlin", "2026-11-22 11:45.5", "half a minute, or five seconds?"),
]


def read(zone, text):
    os.environ["TZ"] = zone
    time.tzset()
    reads = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            # What differs between the two is missing from the text, and was taken from the default.
            for default in (datetime(2001, 2, 3), datetime(2004, 7, 9)):
                reads.append(parser.parse(text, default=default))
            reads[0].utcoffset()
        except (ValueError, OverflowError):
            return {"refused": "no moment"}
    if any(getattr(reads[0], field) != getattr(reads[1], field) for field in ("year", "month", "day")):
        return {"refused": "a part is missing"}
    moment, assumed = reads[0], "nothing"
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=tz.gettz(zone))
        if not tz.datetime_exists(moment):
            return {"refused": "the clocks skip it"}
        assumed = "the first of two" if tz.datetime_ambiguous(moment) else "the zone"
    return {"moment": moment.astimezone(timezone.utc).isoformat(" ", "microseconds"), "assumed": assumed}


def rows():
    for at, form in enumerate(FORMS):
        for nth, moment in enumerate(MOMENTS):
            zone = ZONES[(at + nth) % len(ZONES)]
            text = moment.strftime(form)
            yield {"zone": zone, "text": text, **read(zone, text)}
    for zone, text in SINGLE:
        yield {"zone": zone, "text": text, **read(zone, text)}
    for zone, text, why in REFUSED:
        assert "moment" in read(zone, text), text
        yield {"zone": zone, "text": text, "refused": why}


if __name__ == "__main__":
    lines = [json.dumps(row, ensure_ascii=True) for row in rows()]
    (HERE / "table.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")
    print(len(lines), "rows")
