"""ModelArk and Volcengine Ark: chat completions here. Signals: wire-formats.md D.5, D.7, F.5."""

from __future__ import annotations

from collections.abc import Mapping

from trunkline.dialects.contract import ErrorFacts
from trunkline.providers.classify import Meaning, Reading, classify, judged
from trunkline.providers.contract import Provider, ProviderOption
from trunkline.providers.openai import OpenAI
from trunkline.types.failure import Failure
from trunkline.types.wire import Headers

READING = Reading(
    codes={
        "AuthenticationError": Meaning.CREDENTIAL,
        "InvalidAccountStatus": Meaning.CREDENTIAL,
        "AccountOverdueError": Meaning.CREDENTIAL,
        "InvalidSubscription": Meaning.CREDENTIAL,
        "OperationDenied.ServiceOverdue": Meaning.CREDENTIAL,
        "OperationDenied.ServiceNotOpen": Meaning.QUOTA,  # the account has not opened this model's service
        "SetLimitExceeded": Meaning.QUOTA,
        "InvalidEndpoint.ClosedEndpoint": Meaning.ENDPOINT,  # as 400
        "InvalidEndpointOrModel.NotFound": Meaning.ENDPOINT,
        "InvalidEndpointOrModel.ModelIDAccessDisabled": Meaning.ENDPOINT,
        "ModelNotOpen": Meaning.ENDPOINT,
        "UnsupportedModel": Meaning.ENDPOINT,
        "OutofContextError": Meaning.CONTEXT,
        "InvalidParameter.UnsupportedParameter": Meaning.CAPABILITY,
        "AccountRateLimitExceeded": Meaning.THROTTLED_ACCOUNT,
        "APIAccountRpmRateLimitExceeded": Meaning.THROTTLED_ACCOUNT,
        "InflightBatchsizeExceeded": Meaning.THROTTLED_ACCOUNT,  # concurrency cap of the account's tier
        "RequestBurstTooFast": Meaning.THROTTLED,
        "ContentSecurityDetectionError": Meaning.TRANSIENT,  # the checker failed, as 400
        "InternalServiceError": Meaning.TRANSIENT,
    },
    families=(
        ("SensitiveContentDetected", Meaning.REFUSAL),
        ("RiskDetection", Meaning.REFUSAL),
        ("RateLimitExceeded", Meaning.THROTTLED),
    ),
    # Of an error event inside a 200.
    statuses={
        "BadRequest": 400,
        "Unauthorized": 401,
        "Forbidden": 403,
        "NotFound": 404,
        "TooManyRequests": 429,
        "ServerOverloaded": 429,
        "InternalServerError": 500,
    },
)


class ModelArk(OpenAI):
    kind = "modelark"
    default_base_url = "https://ark.ap-southeast.bytepluses.com/api/v3"
    options: Mapping[str, ProviderOption] = {}
    reading = READING

    def classify(self, status: int, headers: Headers, facts: ErrorFacts, *, now: float) -> Failure:
        if facts.code == "QuotaExceeded":
            # Three meanings, told apart by the message only (D.5): too many queued tasks passes by itself, a spent
            # trial or period does not.
            queued = "has exceeded the quota" in facts.message
            return judged(Meaning.THROTTLED if queued else Meaning.QUOTA, 429, facts, None)
        return classify(READING, status, headers, facts, now)


_guard: Provider = ModelArk()
