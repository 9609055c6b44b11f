"""The dashboard's server: Streamlit, which has loaded what the pages need before the first visitor comes.

By itself Streamlit loads what a page imports when somebody opens it, who then waits 1.2 s longer. The modules of this
folder are left to it, since they need the server to be there.
"""

from __future__ import annotations

import sys

import plotly.graph_objects as go
from streamlit.web import cli

from sampleinfo import columns, decisions, exports, figures, jobs, scores, store, whatif, whatif_primal

LOADED = (columns, decisions, exports, figures, jobs, scores, store, whatif, whatif_primal)


def main() -> None:
    """``python -m sampleinfo.ui.serve APP [options of 'streamlit run']``."""
    go.Figure(go.Scattergl(x=[0], y=[0])).to_plotly_json()  # Plotly loads its own tables with the first figure
    sys.argv = ["streamlit", "run", *sys.argv[1:]]
    cli.main()


if __name__ == "__main__":
    main()
