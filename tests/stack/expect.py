"""Prints the alerts that payments.py expects of a seed's first transactions, as JSON lines."""

import argparse
import json

import payments

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, required=True)
parser.add_argument("--count", type=int, required=True)
parser.add_argument("--start", type=int, default=payments.START)
parser.add_argument("--frauds", default="", help="merchants labelled a millisecond before the start")
arguments = parser.parse_args()
frauds = [(merchant, arguments.start - 1) for merchant in arguments.frauds.split(",") if merchant]
stream = payments.transactions(arguments.seed, arguments.count, arguments.start)
for alert in payments.alerts(stream, frauds):
    print(json.dumps(alert))
