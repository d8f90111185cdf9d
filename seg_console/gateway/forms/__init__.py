from __future__ import annotations

from seg_console.gateway.forms.host_access import FindSendersForm as FindSendersForm
from seg_console.gateway.forms.host_access import LastRowForm as LastRowForm
from seg_console.gateway.forms.host_access import SenderGroupForm as SenderGroupForm
from seg_console.gateway.forms.incoming_relays import IncomingRelayForm as IncomingRelayForm
from seg_console.gateway.forms.incoming_relays import IncomingRelaySettingsForm as IncomingRelaySettingsForm
from seg_console.gateway.forms.listener import ListenerForm as ListenerForm
from seg_console.gateway.forms.recipient_access import RecipientAccessForm as RecipientAccessForm
