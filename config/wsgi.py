"""The WSGI application that gunicorn serves."""

import os

from django.core.wsgi import get_wsgi_application

from kit.secrets import require_keys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()
require_keys()
