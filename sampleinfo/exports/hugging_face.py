"""Image Parquet as the Hugging Face hub keeps it: images in the table, class names in the schema's metadata."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sampleinfo.exports import folders
from sampleinfo.exports.selection import Selection

#: Images of one piece of the file, which are in memory together.
GROUP = 64
COLUMNS = ["sample_id", "source", "split"]


def write(selection: Selection, target: Path) -> None:
    """One row per image: ``image``, ``label``, ``sample_id``, ``source``, ``split`` and the scores.

    Where labels are corrected, ``given_class_name`` tells the class that the run has.

    Raises:
        InvalidData: the original images are gone, or not what they were.
    """
    scores, originals = list(selection.run.scores), selection.originals
    texts = [*COLUMNS, *selection.given]
    table = selection.table[[*texts, *scores]]
    paths = [f"{stem}{originals.ending(n)}" for n, stem in enumerate(folders.stems(selection.ids))]
    schema = _schema(selection.class_names, texts, scores)
    with pq.ParquetWriter(target, schema) as writer:
        for start in range(0, len(selection), GROUP):
            numbers = range(start, min(start + GROUP, len(selection)))
            part = table.iloc[numbers.start : numbers.stop]
            columns = {
                "image": [{"bytes": originals.encoded(n), "path": paths[n]} for n in selection.told(numbers, start)],
                "label": selection.labels[numbers.start : numbers.stop].tolist(),
                **{name: part[name].astype(str).tolist() for name in texts},
                **{name: part[name].to_numpy(float) for name in scores},
            }
            writer.write_table(pa.table(columns, schema=schema))


def _schema(class_names: list[str], texts: list[str], scores: list[str]) -> pa.Schema:
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    features = {
        "image": {"_type": "Image"},
        "label": {"names": class_names, "_type": "ClassLabel"},
        **{name: {"dtype": "string", "_type": "Value"} for name in texts},
        **{name: {"dtype": "float64", "_type": "Value"} for name in scores},
    }
    fields = [("image", image), ("label", pa.int64()), *((name, pa.string()) for name in texts),
              *((name, pa.float64()) for name in scores)]  # fmt: skip
    return pa.schema(fields).with_metadata({"huggingface": json.dumps({"info": {"features": features}})})
