"""ModelArk and Volcengine Ark: chat completions here. Signals: wire-formats.md D.5, D.7, F.5."""

from __future__ import annotations

from trunkline.dialects.contract import ErrorFacts
from trunkline.providers.classify import Codes, classify, credential_down, throttled
from trunkline.providers.contract import Provider
from trunkline.providers.openai import OpenAI
from trunkline.types.failure import Failure
from trunkline.types.wire import Headers

CODES = Codes(
    credential=frozenset(
        {
            "AuthenticationError",
            "InvalidAccountStatus",
            "AccountOverdueError",
            "OperationDenied.ServiceNotOpen",
            "OperationDenied.ServiceOverdue",
            "InvalidSubscription",
        }
    ),
    quota=frozenset({"SetLimitExceeded"}),
    endpoint=frozenset(
        {
            "InvalidEndpoint.ClosedEndpoint",
            "InvalidEndpointOrModel.NotFound",
            "InvalidEndpointOrModel.ModelIDAccessDisabled",
            "ModelNotOpen",
            "UnsupportedModel",
        }
    ),
    context=frozenset({"OutofContextError"}),
    capability=frozenset({"InvalidParameter.UnsupportedParameter"}),
    transient=frozenset({"InternalServiceError", "ContentSecurityDetectionError"}),
)
_WAIT = (
    "RateLimitExceeded",
    "ModelAccountRpmRateLimitExceeded",
    "ModelAccountTpmRateLimitExceeded",
    "ModelAccountIpmRateLimitExceeded",
    "APIAccountRpmRateLimitExceeded",
    "AccountRateLimitExceeded",
    "ServerOverloaded",
    "RequestBurstTooFast",
    "InflightBatchsizeExceeded",
)
_REFUSED = ("SensitiveContentDetected", "RiskDetection")


class ModelArk(OpenAI):
    kind = "modelark"
    default_base_url = "https://ark.ap-southeast.bytepluses.com/api/v3"

    def classify(self, status: int, headers: Headers, facts: ErrorFacts, *, now: float) -> Failure:
        code = facts.code
        if code.startswith(_WAIT):
            return classify(Codes(throttled=frozenset({code})), status, headers, facts, now)
        if any(word in code for word in _REFUSED):
            return classify(Codes(refusal=frozenset({code})), status, headers, facts, now)
        if code == "QuotaExceeded":
            # Three meanings, told apart by the message only (D.5).
            if "has exceeded the quota" in facts.message:
                return throttled(429, facts, None)
            return credential_down(status, facts, "credential_model")
        return classify(CODES, status, headers, facts, now)


_guard: Provider = ModelArk()
