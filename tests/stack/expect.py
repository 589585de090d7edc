"""Prints the alerts that payments.py expects of a seed's first transactions, as JSON lines."""

import argparse
import json

import payments

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, required=True)
parser.add_argument("--count", type=int, required=True)
payments.add_arguments(parser)
parser.add_argument("--frauds", default="", help="merchants labelled a millisecond before the start")
arguments = parser.parse_args()
frauds = [(merchant, arguments.start - 1) for merchant in arguments.frauds.split(",") if merchant]
for alert in payments.alerts(payments.of_arguments(arguments), frauds):
    print(json.dumps(alert))
