"""Rows that the schema must refuse, by the constraint that does."""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, NamedTuple

Values = Mapping[str, Any]

LONG_AGO = datetime(2001, 5, 5, tzinfo=UTC)
NOTHING: Values = MappingProxyType({})


class Twice(NamedTuple):
    """Two rows that can't be both; same: columns that the second has from the first."""

    first: Values = NOTHING
    same: tuple[str, ...] = ()
    second: Values = NOTHING


# What makes a right row wrong.
WRONG: Mapping[str, Values] = {
    # users
    "encryption_keys_id_check": {"id": 0},
    "encryption_keys_purpose_check": {"purpose": "fun"},
    "encryption_keys_fingerprint_check": {"fingerprint": b"short"},
    "encryption_keys_status_check": {"status": "LOST"},
    "encryption_keys_retired_iff_time": {"status": "RETIRED"},
    "users_subject_check": {"subject": ""},
    "users_username_check": {"username": "two words"},
    "users_email_is_whole": {"email": b"x"},
    "users_email_blind_check": {"email": b"x", "email_key_id": 1, "email_blind": b"x"},
    "users_role_check": {"role": "student"},
    "users_status_check": {"status": "GONE"},
    "users_deleted_has_no_email": {
        "status": "DELETED",
        "email": b"x",
        "email_key_id": 1,
        "email_blind": bytes(32),
    },
    "users_level_check": {"level": 0},
    "users_xp_check": {"xp": -1},
    "users_streak_check": {"streak": -1},
    "user_profiles_display_name_check": {"display_name": "x" * 65},
    "user_profiles_bio_check": {"bio": "x" * 4001},
    "user_profiles_avatar_url_check": {"avatar_url": "http://example.org/plain"},
    "user_profiles_website_check": {"website": "javascript:alert(1)"},
    "user_profiles_language_check": {"language": "English"},
    "user_profiles_time_zone_check": {"time_zone": "Europe/Atlantis"},
    "user_profiles_wallet_check": {"wallet": "0x12"},
    "user_profiles_visibility_check": {"visibility": "SECRET"},
    "user_keys_wrapped_check": {"wrapped": bytes(32)},
    "user_secrets_kind_check": {"kind": "shoe_size"},
    "user_secrets_value_check": {"value": b"in the clear"},
    "auth_sessions_token_hash_check": {"token_hash": b"the token"},
    "auth_sessions_user_agent_check": {"user_agent": "x" * 513},
    "auth_sessions_times_check": {"expires_at": LONG_AGO},
    "role_grants_role_check": {"role": "STUDENT"},
    "role_grants_reason_check": {"reason": "x" * 1001},
    "role_grants_expires_at_check": {"expires_at": LONG_AGO},
    "role_grants_revoked_at_check": {"revoked_at": LONG_AGO},
    "role_grants_revoked_by_check": {"revoked_by": 1},
}

# What makes a second row one too many.
TWICE: Mapping[str, Twice] = {
    "encryption_keys_active_key": Twice({"status": "ACTIVE"}, ("status",)),
    "users_lower_username_key": Twice({"username": "Ada"}, (), {"username": "aDA"}),
    "role_grants_user_id_role_key": Twice({}, ("user_id", "role")),
}
