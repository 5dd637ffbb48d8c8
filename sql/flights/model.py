"""Trains one small model on the honest training set, one on that with as-of windows and one on the leaking set, and
compares them.

Both are judged as in life: trained on the flights before 1 October, asked about those after. A flight that
never arrived has no label and is left out.

    python model.py HONEST.parquet WINDOWS.parquet LEAKING.parquet
"""

import os
import sys
from datetime import datetime, timezone

# Threads that spin while they wait cost minutes on a machine that has something else to do.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

SPLIT = datetime(2013, 10, 1, tzinfo=timezone.utc)
LABEL, MOMENT = "late", "sched_dep"


def inputs(table):
    """All numbers and flags but the label, as a matrix; null becomes NaN, which the model understands."""
    names = [f.name for f in table.schema if f.name != LABEL and (numeric(f.type) or str(f.type) == "bool")]
    columns = [pc.cast(pc.cast(table[n], "int8") if str(table[n].type) == "bool" else table[n], "double") for n in names]
    return np.column_stack([c.to_numpy() for c in columns]), names


def numeric(data_type):
    return str(data_type).startswith(("int", "double", "float"))


def auc(path):
    """The area under the ROC curve on flights the model has not seen: 0.5 is guessing, 1 is knowing."""
    table = pq.read_table(path)
    table = table.filter(pc.is_valid(table[LABEL])).sort_by(MOMENT)
    seen = pc.less(table[MOMENT], SPLIT).to_numpy()
    matrix, names = inputs(table)
    late = table[LABEL].to_numpy().astype(bool)
    model = HistGradientBoostingClassifier(random_state=0).fit(matrix[seen], late[seen])
    score = roc_auc_score(late[~seen], model.predict_proba(matrix[~seen])[:, 1])
    return score, len(names), int(seen.sum()), int((~seen).sum())


def main():
    honest, count, seen, unseen = auc(sys.argv[1])
    windows, more, *_ = auc(sys.argv[2])
    leaking, *_ = auc(sys.argv[3])
    print(f"late by more than 15 minutes? {count} inputs, trained on {seen:,} flights, asked about {unseen:,} later ones")
    print(f"  AUC, honest:       {honest:.3f}")
    print(f"  AUC, with windows: {windows:.3f} ({more} inputs)")
    print(f"  AUC, leaking:      {leaking:.3f}")
    print(
        "The leaking set looks perfect because each flight was told its own delay; at the gate, where nobody\n"
        "knows it yet, that model is worthless, and the honest number is the one to expect."
    )


if __name__ == "__main__":
    main()
