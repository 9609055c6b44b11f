"""Classes: which ones need more images, and which groups of alike images are inside them."""

from sampleinfo.ui.classes import QUESTION, WORDS, classes
from sampleinfo.ui.frame import begin_page, pick_run
from sampleinfo.ui.questions import answered

begin_page("Classes")
run = pick_run()
if run is not None:
    tables = answered(run, QUESTION, "pages/classes.py", WORDS, "Compare classes")
    if tables is not None:
        classes(run, tables)
