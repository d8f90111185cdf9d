from __future__ import annotations

from seg_console.config.forms.files import LoadForm as LoadForm
from seg_console.config.forms.files import TextFileForm as TextFileForm
from seg_console.config.forms.general import GeneralSettingsForm as GeneralSettingsForm
from seg_console.config.forms.history import CompareForm as CompareForm
from seg_console.config.forms.uncommitted import CommitForm as CommitForm
