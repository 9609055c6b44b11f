"""Sources: which source is worth more, image by image and as a whole."""

from sampleinfo.ui.frame import begin_page, pick_run
from sampleinfo.ui.sources import sources

begin_page("Sources")
run = pick_run()
if run is not None:
    sources(run)
