from __future__ import annotations

from tdc.forms.choice import ChoiceForm as ChoiceForm
from tdc.forms.choice import SeveralForm as SeveralForm
from tdc.forms.connection_test import ConnectionTestForm as ConnectionTestForm
from tdc.forms.settings import SettingsForm as SettingsForm
