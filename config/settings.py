"""Django settings, read from environment variables; `docs/settings.md` lists them.

On a laptop nothing has to be set: `manage.py up` starts an embedded database, broker and
cache, with their data below OZVENA_HOME.
"""

from pathlib import Path
from urllib.parse import quote

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static

from config.embedded import paths
from config.environment import Env
from config.secret_key import kept
from kit.db.pooled import discard_if_empty

BASE_DIR = Path(__file__).resolve().parent.parent
env = Env()

# --- Where it runs -------------------------------------------------------------------

OZVENA_HOME = Path(env.str("OZVENA_HOME", str(BASE_DIR / "var"))).resolve()
SPEECH_DIRECTORY = paths.socket_directory(OZVENA_HOME)
"""The directory of the sockets of the speech service; see `providers.unicorn.service`."""
VOICES_DIRECTORY = OZVENA_HOME / "voices"
"""Where `manage.py fetch_voices` puts the models of further voices."""
VOICES_URL = env.str("VOICES_URL", "")
"""The folder that they are fetched from; empty: that of the package's author."""
HOST = env.str("HOST", "127.0.0.1")
PORT = env.int("PORT", 8000)
# `make run` sets it if it listens only on the loopback interface. It enables everything
# that is only for development, such as links in the terminal and plain http.
DEVELOPMENT = env.bool("OZVENA_DEVELOPMENT", False)
DEBUG = env.bool("DEBUG", False)
_address = f"[{HOST}]" if ":" in HOST else HOST
BASE_URL = env.str("BASE_URL", "").rstrip("/") or f"http://{_address}:{PORT}"
"""The public URL of this installation, without a slash at the end."""

KEEPS_SECRET_KEY = not env.str("SECRET_KEY", "")
SECRET_KEY = env.str("SECRET_KEY", "") or kept(OZVENA_HOME, "SECRET_KEY")
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
KEEPS_ENCRYPTION_KEYS = not env.str("ENCRYPTION_KEYS", "")
ENCRYPTION_KEYS = env.str("ENCRYPTION_KEYS", "") or kept(OZVENA_HOME, "ENCRYPTION_KEYS")
"""`id:base64` of 32 bytes, by commas: the first encrypts, all decrypt (`kit.secrets`)."""
ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]", _address]
)
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", 0)
"""How many of our own proxies append to X-Forwarded-For; 0: the header is ignored."""

# --- Apps ----------------------------------------------------------------------------

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",  # the theme, with a site of our own
    "config.apps.OperatorAdminConfig",
    # Our apps, each after those that it may import. `kit.registry` keeps this order.
    "kit",
    "accounts",  # before auth: its `createsuperuser` replaces Django's
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "django_otp",  # without its plugins, which store seeds unencrypted
    "csp",
    "webhooks",
    "billing",
    "providers",
    "synthesis",
    "config.apps.ComposingConfig",
]
AUTH_USER_MODEL = "accounts.User"

MIDDLEWARE = [
    "kit.requests.RequestIdMiddleware",
    "kit.requests.NoStore",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "accounts.http.refused_bodies.CountRefusedBodies",
    "config.web.bodies.ReadBody",
    "kit.db.connections.GiveBackConnection",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.sessions.KeepLogin",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "accounts.http.throttles.RateLimitHeaders",
]
CSRF_FAILURE_VIEW = "config.api.errors.csrf_failed"
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = False  # each path has exactly one form
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "accounts.http.current_workspace.current_workspace",
            ]
        },
    }
]

# --- PostgreSQL ----------------------------------------------------------------------

RUNS_POSTGRES = not env.str("DATABASE_URL", "")
if RUNS_POSTGRES:
    _database = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": env.str("EMBEDDED_DATABASE", paths.DATABASE),
        "USER": paths.USER,
        "HOST": str(paths.socket_directory(OZVENA_HOME)),
    }
else:
    _database = env.db_url("DATABASE_URL")
    if _database.get("ENGINE") != "django.db.backends.postgresql":
        raise ImproperlyConfigured("DATABASE_URL must name a PostgreSQL database.")
DATABASE_POOL_SIZE = env.int("DATABASE_POOL_SIZE", 16)
DATABASES = {
    "default": {
        **_database,
        "ENGINE": "kit.db.pooled",
        "OPTIONS": {
            **_database.get("OPTIONS", {}),
            # A request takes a connection from the pool; 64 threads don't need 64. Times
            # are in seconds. A connection that can't be made is given up soon, so that
            # the next request tries again, without psycopg's growing pauses.
            "pool": {
                "min_size": 0,
                "max_size": DATABASE_POOL_SIZE,
                "timeout": 20,
                "reconnect_timeout": 1,
                "reconnect_failed": discard_if_empty,
            },
            # A process that waits this long for a lock, or leaves a transaction open, has
            # a fault, and must not block the others.
            "options": "-c lock_timeout=10s -c idle_in_transaction_session_timeout=60s",
            # For cursors with server-side binding, in the ledger. PgBouncer in transaction
            # mode must be 1.22 or newer.
            "prepare_threshold": 5,
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Redis: cache and bells ----------------------------------------------------------

_socket = quote(str(paths.redis_socket(OZVENA_HOME)))
RUNS_REDIS = not (env.str("BROKER_URL", "") and env.str("CACHE_URL", ""))
CACHES = {
    # The only cache. django-redis shares one pool between all caches of a server, with the
    # timeouts of the cache that is used first, so a second one can't have its own.
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": env.str("CACHE_URL", "") or f"unix://{_socket}?db=1",
        # Seconds. Requests wait for it, and do without it if it hangs.
        "OPTIONS": {"SOCKET_CONNECT_TIMEOUT": 0.15, "SOCKET_TIMEOUT": 0.15},
    }
}
CELERY_BROKER_URL = env.str("BROKER_URL", "") or f"redis+socket://{_socket}"
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_timeout": 5, "socket_connect_timeout": 2}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_PUBLISH_RETRY = False  # the dispatcher rings again for a lost bell
CELERY_TASK_DEFAULT_QUEUE = "remote"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"

# --- HTTP ----------------------------------------------------------------------------

BODY_LIMITS = {
    # The longest request is a job of 1,000,000 characters, four bytes each, escaped.
    "/api/": 8 * 1024 * 1024,
    "/v1/": 8 * 1024 * 1024,
    "/hooks/": 1024 * 1024,
    "/": 256 * 1024,  # forms
}
"""The largest body in bytes, by path prefix; the first matching prefix counts."""
STREAMED_BODIES: tuple[str, ...] = ()
"""Paths whose views read the body themselves while it arrives."""
DATA_UPLOAD_MAX_MEMORY_SIZE = max(BODY_LIMITS.values())
FILE_UPLOAD_HANDLERS: list[str] = []
"""Files in forms are not stored. A view that takes files sets its own handlers."""
# Whether the public URL is https.
SECURE = BASE_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_NAME = "__Host-sessionid" if SECURE else "sessionid"
SECURE_SSL_REDIRECT = SECURE and env.bool("SSL_REDIRECT", True)
SECURE_REDIRECT_EXEMPT = [r"^health"]
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", 31_536_000) if SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE
SECURE_REFERRER_POLICY = "same-origin"
LOGIN_URL = "login"
LOGIN_COOKIE_NAME = "__Host-login" if SECURE else "login"
"""Binds a login code to the browser that asked for it."""
DEVICE_COOKIE_NAME = "__Host-device" if SECURE else "device"
"""Identifies a browser, so that users are notified of logins from a new one."""
if TRUSTED_PROXY_COUNT:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "media-src": [SELF, "blob:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["billing.api.mobile.TokenCookieOrCustomer"],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.http.permissions.NotGuest"],
    "DEFAULT_THROTTLE_CLASSES": [
        "accounts.http.refused_bodies.RefusedBodiesThrottle",
        "accounts.http.throttles.WorkspaceThrottle",
    ],
    "DEFAULT_PARSER_CLASSES": ["kit.rest.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "kit.rest.pagination.NewestFirst",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "config.api.errors.exception_handler",
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "kit.requests.AlwaysJSON",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Ozvena",
    "DESCRIPTION": "Text to speech: scripts become audio, charged in credits.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "validatorUrl": None},
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "config.api.schema.describe_common_parts",
        "webhooks.api.schema.describe_events",
    ],
    "ENUM_NAME_OVERRIDES": {
        "JobStatusEnum": "synthesis.models.Job.Status",
        "SceneStatusEnum": "kit.models.Claimable.Status",
        "RoleEnum": ["guest", "user", "paid", "admin"],
        "MemberRoleEnum": "accounts.models.Membership.Role",
        "InvitedRoleEnum": ["admin", "member"],
        "TimingEnum": ["exact", "estimated"],
    },
}

UNFOLD = {
    "SITE_TITLE": "Ozvena",
    "SITE_HEADER": "Ozvena",
    "SITE_SUBHEADER": "Back office",
    "SITE_ICON": lambda request: static("img/mark.svg"),
    "COLORS": {
        "primary": {
            "50": "oklch(97.8% .015 175)",
            "100": "oklch(94.5% .035 175)",
            "200": "oklch(89.5% .065 175)",
            "300": "oklch(83% .095 175)",
            "400": "oklch(74% .11 175)",
            "500": "oklch(62% .105 175)",
            "600": "oklch(52% .09 175)",
            "700": "oklch(45.5% .08 175)",
            "800": "oklch(39% .065 175)",
            "900": "oklch(33.5% .055 175)",
            "950": "oklch(25% .045 175)",
        }
    },
}

# --- Mail ----------------------------------------------------------------------------

# EMAIL_URL is `smtp+tls://user:password@host:587`; EMAIL_BACKEND is a class with settings
# of its own. Without either, mails are written to files in OZVENA_HOME.
EMAIL_BACKEND = "kit.mail.files.FileBackend"
if env.str("EMAIL_URL", ""):
    vars().update(env.email_url("EMAIL_URL"))
EMAIL_BACKEND = env.str("EMAIL_BACKEND", "") or EMAIL_BACKEND
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", "Ozvena <ozvena@localhost>")

# --- Limits --------------------------------------------------------------------------

GUEST_PER_DAY = env.int("GUEST_PER_DAY", 5)
RATE_SYNTHESIS = env.str("RATE_SYNTHESIS", "20/m")
RATE_OTHER = env.str("RATE_OTHER", "300/m")
REFUSED_BODIES = env.int("REFUSED_BODIES", 240)
"""Refused request bodies per caller and minute; each 64 KB counts as another one."""
LOGIN_CODES_PER_ADDRESS = env.int("LOGIN_CODES_PER_ADDRESS", 10)
"""Login codes mailed to one email address per UTC day; more are silently not sent."""
LOGIN_CODES_PER_NETWORK = env.int("LOGIN_CODES_PER_NETWORK", 200)
"""Login codes requested from one client address (IPv6: /64) per UTC day."""
LOGIN_TRIES_PER_ADDRESS = env.int("LOGIN_TRIES_PER_ADDRESS", 20)
"""Login codes tried for one email address per UTC day."""
LOGIN_TRIES_PER_NETWORK = env.int("LOGIN_TRIES_PER_NETWORK", 300)
"""Login codes tried from one client address (IPv6: /64) per UTC day."""
SIGN_UP_GRANTS_PER_DOMAIN = env.int("SIGN_UP_GRANTS_PER_DOMAIN", 50)
"""Sign-up grants for one registrable mail domain per UTC day; public mail hosts have no
limit."""
SIGN_UP_GRANTS_PER_NETWORK = env.int("SIGN_UP_GRANTS_PER_NETWORK", 10)
"""Sign-up grants for one client address (IPv6: /64) per UTC day."""
PROVIDER_KEY_CHECKS = env.int("PROVIDER_KEY_CHECKS", 20)
"""Checks of provider keys per workspace and UTC day; three times as many per network."""
RATELIMIT_FAIL_OPEN = True  # a lost counter must not lock users out
WORKSPACE_CONCURRENCY = env.int("WORKSPACE_CONCURRENCY", 8)
"""How many scenes of one workspace are spoken at the same time."""
RETENTION_DAYS = env.int("RETENTION_DAYS", 30)
"""Days for which the files of a job are kept."""
STORAGE_MB = env.int("STORAGE_MB", 2_000)
"""Megabytes of files that one workspace can keep."""
SIGN_UP_CREDITS = env.int("SIGN_UP_CREDITS", 5_000)
"""Credits that a new user gets once in each environment; 0: none."""
APPROVAL_ABOVE = env.int("APPROVAL_ABOVE", 1_000_000)
"""Credits that an operator may grant or adjust at once without a second operator."""
PROVIDER_PATIENCE = env.int("PROVIDER_PATIENCE", 1800)
"""Seconds that a scene waits for a provider whose calls all fail."""
FALLBACK_PATIENCE = env.int("FALLBACK_PATIENCE", 60)
"""The same, if the scene has a fallback voice."""
PROVIDER_PRIVATE_NETWORKS = env.list("PROVIDER_PRIVATE_NETWORKS", default=[])
"""Networks that are not public in which operators run servers for speech."""
ADMIN_ACCESS_KEY = env.str("ADMIN_ACCESS_KEY", "")
METRICS_TOKEN = env.str("METRICS_TOKEN", "")
"""Bearer token of `GET /metrics`; empty: it is disabled."""

# --- Webhooks ------------------------------------------------------------------------

WEBHOOK_CONCURRENCY = env.int("WEBHOOK_CONCURRENCY", 24)
"""How many deliveries are sent at the same time, over all workers."""
WEBHOOK_PORTS = [int(port) for port in env.list("WEBHOOK_PORTS", default=[443, 8443])]
WEBHOOK_BLOCKED_NETWORKS = env.list("WEBHOOK_BLOCKED_NETWORKS", default=[])
"""Networks that webhooks may not reach, in addition to all that are not public."""
WEBHOOK_ALLOW_LOOPBACK = env.bool("WEBHOOK_ALLOW_LOOPBACK", False)
"""For development: allow webhooks to this machine, also by plain http."""

# --- Payments ------------------------------------------------------------------------

# A gateway is on if its keys are set. Those with _TEST are for the sandbox.
# Libraries for Stripe read settings such as STRIPE_SECRET_KEY, and store what they find.
STRIPE_KEYS = {
    "PRODUCTION": env.str("STRIPE_SECRET_KEY", ""),
    "SANDBOX": env.str("STRIPE_SECRET_KEY_TEST", ""),
}
STRIPE_HOOK_SECRETS = {
    "PRODUCTION": env.str("STRIPE_WEBHOOK_SECRET", ""),
    "SANDBOX": env.str("STRIPE_WEBHOOK_SECRET_TEST", ""),
}
STRIPE_BASE_URL = env.str("STRIPE_BASE_URL", "https://api.stripe.com")
STRIPE_AUTOMATIC_TAX = env.bool("STRIPE_AUTOMATIC_TAX", False)
"""Whether Stripe computes the tax."""
NOWPAYMENTS_BASE_URL = env.str("NOWPAYMENTS_BASE_URL", "https://api.nowpayments.io/v1")
NOWPAYMENTS_API_KEY = env.str("NOWPAYMENTS_API_KEY", "")
NOWPAYMENTS_IPN_SECRET = env.str("NOWPAYMENTS_IPN_SECRET", "")
NOWPAYMENTS_BASE_URL_TEST = env.str(
    "NOWPAYMENTS_BASE_URL_TEST", "https://api-sandbox.nowpayments.io/v1"
)
NOWPAYMENTS_API_KEY_TEST = env.str("NOWPAYMENTS_API_KEY_TEST", "")
NOWPAYMENTS_IPN_SECRET_TEST = env.str("NOWPAYMENTS_IPN_SECRET_TEST", "")
BTCPAY_URL = env.str("BTCPAY_URL", "")
BTCPAY_API_KEY = env.str("BTCPAY_API_KEY", "")
BTCPAY_STORE = env.str("BTCPAY_STORE", "")
BTCPAY_WEBHOOK_SECRET = env.str("BTCPAY_WEBHOOK_SECRET", "")
BTCPAY_URL_TEST = env.str("BTCPAY_URL_TEST", BTCPAY_URL)
BTCPAY_API_KEY_TEST = env.str("BTCPAY_API_KEY_TEST", "")
BTCPAY_STORE_TEST = env.str("BTCPAY_STORE_TEST", "")
BTCPAY_WEBHOOK_SECRET_TEST = env.str("BTCPAY_WEBHOOK_SECRET_TEST", "")
REVENUECAT_BASE_URL = env.str("REVENUECAT_BASE_URL", "https://api.revenuecat.com")
REVENUECAT_API_KEY = env.str("REVENUECAT_API_KEY", "")
REVENUECAT_WEBHOOK_AUTH = env.str("REVENUECAT_WEBHOOK_AUTH", "")
REVENUECAT_WEBHOOK_SECRET = env.str("REVENUECAT_WEBHOOK_SECRET", "")
REVENUECAT_VERIFY = env.bool("REVENUECAT_VERIFY", False)
"""Whether a customer is read again before a purchase counts."""
MOBILE_CUSTOMER_SECRET = env.str("MOBILE_CUSTOMER_SECRET", "")
"""Signs the IDs of mobile customers; empty: the ID alone is the credential."""
MOBILE_FREE_CREDITS = env.int("MOBILE_FREE_CREDITS", 45_000)
"""Credits that a mobile customer gets once."""
MOBILE_NEW_PER_ADDRESS = env.int("MOBILE_NEW_PER_ADDRESS", 3)
"""New mobile customers for one client address (IPv6: /64) per UTC day."""
MOBILE_NEW_PER_DAY = env.int("MOBILE_NEW_PER_DAY", 1_000)
"""New mobile customers in all, per UTC day."""
MOBILE_LOOK_UPS_PER_ADDRESS = env.int("MOBILE_LOOK_UPS_PER_ADDRESS", 100)
"""Unknown IDs looked up at RevenueCat for one client address (IPv6: /64) per UTC day."""

# --- Files ---------------------------------------------------------------------------

X_ACCEL_PREFIX = env.str("X_ACCEL_PREFIX", "")
"""Internal location of the front server that serves OZVENA_HOME/media; empty: none."""
STATIC_URL = "static/"
STATIC_ROOT = OZVENA_HOME / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
# In development, files are served from their source folders. A deployment collects them
# and serves them under hashed names, cached without a limit.
WHITENOISE_USE_FINDERS = DEVELOPMENT
_static = (
    "django.contrib.staticfiles.storage.StaticFilesStorage"
    if DEVELOPMENT
    else "config.static_files.HashedStorage"
)
STORAGES = {
    "default": {
        "BACKEND": "kit.files.storage.AtomicFileSystemStorage",
        "OPTIONS": {"location": OZVENA_HOME / "media"},
    },
    "staticfiles": {"BACKEND": _static},
}

# --- Language and time ---------------------------------------------------------------

LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

# --- Logs ----------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "kit.requests.RequestIdFilter"}},
    "formatters": {
        "line": {
            "format": "%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s"
        }
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["request_id"],
        }
    },
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", "INFO")},
    "loggers": {
        "django.request": {"level": "ERROR"},
        "django.server": {"handlers": ["console"], "propagate": False},
    },
}
