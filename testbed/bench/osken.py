"""osken-manager, as os-ken's last version with REST applications has it, on a Python of today.

That version asks eventlet for a name that eventlet no longer has; it needs it for streamed responses only, which flow
entries are not.
"""

import sys

import eventlet.wsgi

if not hasattr(eventlet.wsgi, "ALREADY_HANDLED"):
    eventlet.wsgi.ALREADY_HANDLED = object()

from os_ken.cmd.manager import main

sys.exit(main())
