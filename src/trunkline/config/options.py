"""Every option there is: the one description behind validation, `check --schema` and the reference."""

from __future__ import annotations

from trunkline.config.kinds import (
    ALIAS,
    NAME,
    ListOf,
    MapOf,
    OneOf,
    Text,
    address,
    boolean,
    duration,
    integer,
    size,
)
from trunkline.config.route_options import POLICY, PRICE, ROUTE, TASK, TIMEOUTS, VALUE
from trunkline.config.sections import Option, Section
from trunkline.types.envelope import NEED

SECRET = Text("`${ENV}` or `file:/path`", fill=True)
URL = Text("URL", fill=True)  # with the twins no address of the file is used
NEED_NAME = Text("name", "|".join(NEED), "it is none of the capabilities: " + ", ".join(NEED))
HEADER = Text("header", r"[a-z0-9-]{1,64}", "a header name is written in lower case")
MODEL = Text("model", r"[!-~]{1,256}", "a model name has no spaces and 256 characters at most")

PROVIDER_TLS = Section(
    {
        "ca": Option(Text("path"), "PEM file of a private certificate authority."),
        "cert": Option(Text("path"), "PEM file of a client certificate."),
        "key": Option(Text("path"), "PEM file of its key."),
        "verify": Option(boolean(), "Check the provider's certificate.", "true"),
    },
    name="tls",
)
PROVIDER = Section(
    {
        "type": Option(NAME, "openai, anthropic, google, modelark or openai_compatible.", "the entry's name"),
        "api_key": Option(SECRET, "Short for one credential named `default`."),
        "credentials": Option(
            MapOf(
                Section({"api_key": Option(SECRET, "The secret.", required=True)}, name="credential"),
                "name → credential",
            ),
            "Several credentials, tried in order.",
        ),
        "base_url": Option(URL, "What the provider's official SDK takes.", "the provider's own"),
        "proxy": Option(URL, "HTTP proxy for this provider; else the proxy variables of the environment count."),
        "tls": Option(PROVIDER_TLS, "TLS towards this provider."),
        "options": Option(
            MapOf(VALUE, "name → value"), "What only this kind of provider knows; see the end of this page."
        ),
    },
    name="provider",
)
DEPLOYMENT = Section(
    {
        "provider": Option(NAME, "Name of an entry under `providers`.", required=True),
        "model": Option(MODEL, "The provider's model name.", required=True),
        "base_url": Option(URL, "Instead of the provider's."),
        "credential": Option(NAME, "One credential of the provider; else each is a candidate, in order."),
        "labels": Option(MapOf(VALUE, "name → value"), "Facts such as region: eu; several values with commas."),
        "weight": Option(integer(0, 1_000_000), "Share under `balance: weighted`.", "1"),
        "max_output_tokens": Option(
            integer(1), "Fills a limit that the model requires and the caller left open.", "8192"
        ),
        "context": Option(integer(1), "Context size in tokens; a context-length failure goes to a larger one only."),
        "base_model": Option(MODEL, "The model's own name where `model` is an endpoint id of the provider's."),
        "capabilities": Option(
            MapOf(boolean(), "name → true or false", NEED_NAME),
            "What the model takes or lacks, where the catalogue does not know it or is wrong: " + ", ".join(NEED) + ".",
        ),
        "price": Option(PRICE, "Instead of the catalogue's, in dollars per million tokens."),
        "timeouts": Option(TIMEOUTS, "Instead of the route's, for attempts on this deployment."),
        "limits": Option(
            Section(
                {
                    "concurrency": Option(integer(1), "Attempts at once, per worker.", "1024"),
                    "queue": Option(
                        integer(0, 100_000), "Requests that may wait for one of them when no candidate is free.", "128"
                    ),
                    "queue_wait": Option(duration(zero=True), "How long they wait.", "1s"),
                },
                name="limits",
            ),
            "Limits of this deployment.",
        ),
    },
    name="deployment",
)
S3 = Section(
    {
        "endpoint": Option(URL, "Scheme, host and port of the S3-compatible server.", required=True),
        "bucket": Option(VALUE, "Bucket; addressed by path.", required=True),
        "region": Option(VALUE, "Region for the signature.", "us-east-1"),
        "prefix": Option(VALUE, "What object names begin with."),
        "access_key": Option(SECRET, "Access key id.", required=True),
        "secret_key": Option(SECRET, "Secret access key.", required=True),
    },
    name="s3",
)
JOBS = Section(
    {
        "poll": Option(
            Section(
                {
                    "first": Option(duration(), "First look at a new task.", "2s"),
                    "cap": Option(duration(), "Longest interval, also while the provider is down.", "15s"),
                    "rate": Option(integer(1, 1000), "Looks per second and credential.", "10"),
                },
                name="poll",
            ),
            "How the recorder follows tasks.",
        ),
        "create_timeout": Option(duration(), "For one submission to be answered.", "60s"),
        "settle_wait": Option(
            duration(), "How long a lost submission is looked for while its caller waits.", "8s"
        ),
        "unknown_for": Option(duration(), "How long a lost submission is looked for in all.", "24h"),
        "copy_media": Option(OneOf(("off", "local", "s3")), "Where results are copied to before their URL expires.", "off"),
        "media_dir": Option(Text("path"), "Where local copies are kept.", "<state_dir>/media"),
        "retention": Option(duration(), "How long copies are kept.", "7d"),
        "s3": Option(S3, "The bucket of `copy_media: s3`."),
        "public_url": Option(URL, "This gateway as callers and providers reach it.", "http://<listen>"),
        "webhook": Option(URL, "Is told of every job, beside the caller's own callback."),
    },
    name="jobs",
)  # fmt: skip
EGRESS = Section(
    {
        "allow": Option(
            ListOf(Text("host", r"[A-Za-z0-9_.:/\[\]-]{1,255}", "a host, host:port or network such as 10.0.0.0/8"), empty=True),
            "Hosts, host:port or networks that URLs from requests and answers may name although they are not public.",
        ),
        "proxy": Option(URL, "HTTP proxy for such URLs; the proxy variables of the environment do not count for them."),
    },
    name="egress",
)  # fmt: skip
PRICES = Section(
    {
        "cny_per_usd": Option(Text("rate", r"[0-9]{1,4}(\.[0-9]{1,6})?", "a rate such as 7 or 7.12"), "Yuan per dollar.", "7"),
        "unknown_second": Option(
            Text("amount", r"[0-9]{1,6}(\.[0-9]{1,6})?", "an amount in dollars such as 1.00"),
            "What a second of video of an unknown model or price counts, in dollars.",
            "1.00",
        ),
    },
    name="prices",
)  # fmt: skip
SERVER_LIMITS = Section(
    {
        "body": Option(size(), "Largest request body.", "32MiB"),
        "header_bytes": Option(size(), "Largest request head.", "32KiB"),
        "header_count": Option(integer(1), "Most request headers.", "128"),
        "inflight": Option(size(), "Request bodies in flight per worker.", "256MiB"),
        "connections": Option(integer(1), "Client connections per worker.", "16384"),
        "connections_per_address": Option(integer(1), "Client connections per address and worker.", "8192"),
        "header_timeout": Option(duration(), "For a request head to arrive.", "10s"),
        "idle_timeout": Option(duration(), "For a kept-alive connection to be used again.", "60s"),
        "write_timeout": Option(duration(), "For a client that reads nothing.", "60s"),
        "requests": Option(integer(1), "Exchanges at once per worker.", "16384"),
    },
    name="limits",
)
FILE = Section(
    {
        "listen": Option(address(), "Data plane.", "127.0.0.1:8080"),
        "console_listen": Option(address(), "Control API and dashboard (nobody there in this version).", "127.0.0.1:8081"),
        "metrics_listen": Option(address(), "`/metrics` and `/healthz` of the supervisor.", "127.0.0.1:8082"),
        "workers": Option(integer(1, 512), "Data-plane processes.", "1"),
        "store": Option(Text("URL", r"[a-z]+://.+", "a store is written as sqlite:///path"), "Keys and records.", "sqlite:///<state_dir>/trunkline.db"),
        "counters": Option(OneOf(("memory:",), later=("local:", "valkey:", "redis:")), "Where limits are counted.", "memory:"),
        "state_dir": Option(Text("path"), "Journal, key digests, pepper.", "./.trunkline"),
        "tls": Option(
            Section(
                {
                    "cert": Option(Text("path"), "PEM file with the chain.", required=True),
                    "key": Option(Text("path"), "PEM file with the key.", required=True),
                },
                name="tls",
            ),
            "TLS of the data plane.",
        ),
        "drain": Option(
            Section(
                {
                    "grace": Option(duration(zero=True), "Still accepting after readiness has failed.", "10s"),
                    "limit": Option(duration(zero=True), "For live exchanges to finish.", "900s"),
                },
                name="drain",
            ),
            "What SIGTERM does.",
        ),
        "limits": Option(SERVER_LIMITS, "Limits of the front door."),
        "ledger": Option(
            Section(
                {
                    "durability": Option(
                        OneOf(("relaxed", "strict")), "Records within 20 ms, or before the end.", "relaxed"
                    )
                },
                name="ledger",
            ),
            "Accounting.",
        ),
        "keys": Option(
            Section({"max_stale": Option(duration(zero=True), "How long known keys outlive the store.", "24h")}, name="keys"),
            "Virtual keys.",
        ),
        "jobs": Option(JOBS, "Durable jobs (video)."),
        "egress": Option(EGRESS, "Where URLs that come from requests or answers may lead."),
        "prices": Option(PRICES, "What the price catalogue cannot know."),
        "providers": Option(MapOf(PROVIDER, "name → provider"), "Endpoint families.", required=True),
        "deployments": Option(MapOf(DEPLOYMENT, "name → deployment"), "Callable targets.", required=True),
        "policies": Option(MapOf(POLICY, "name → policy"), "Constraints on whatever matches, whichever route is asked."),
        "tasks": Option(MapOf(TASK, "name → task"), "Labels of your own, beside the built-in ones."),
        "headers": Option(
            ListOf(HEADER, empty=True), "Request headers that conditions may read, as header['x-tenant'].", "[]"
        ),
        "routes": Option(MapOf(ROUTE, "alias → route", ALIAS), "What clients may ask for.", required=True),
    },
    later=("slo", "alerts", "telemetry", "drills", "payloads"),
    name="file",
)  # fmt: skip
