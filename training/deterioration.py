"""Trains the deterioration model and says how good it is. See README.md.

    go run ./training/features deterioration DATA/sepsis_cinc2019/hospA_dev.csv.gz > training/cache/deterioration.csv
    /usr/bin/python3 training/deterioration.py training/cache/deterioration.csv

Writes catalog/models/deterioration.json.gz (the trees, XGBoost's own JSON), catalog/models/deterioration.yaml (figures,
calibration, operating point) and training/out/deterioration.md. Folds are by patient. Three variants are compared:
strict (nothing that can tell how long the patient has been watched), the shipped one (with counts of measured hours in
the last 24 and 72 h), and one that is told the time in the unit, which is never shipped.
"""

import pathlib
import sys

import numpy as np
import pandas as pd
import xgboost
from sklearn.metrics import roc_auc_score

import export

SEED = 2019
FOLDS = 5
NEGATIVES = 0.25  # share of rows without sepsis that are trained on
PARAMS = dict(objective="binary:logistic", tree_method="hist", max_bin=64, max_depth=4, eta=0.05, subsample=0.6,
              colsample_bytree=0.25, min_child_weight=60, reg_lambda=60, nthread=1, base_score=0.5)
ROUNDS = 300


def read(path):
    """Keeps the table as float32 beside the CSV: reading half a gigabyte of text takes a while."""
    kept = pathlib.Path(path).with_suffix(".npz")
    if not kept.exists() or kept.stat().st_mtime < pathlib.Path(path).stat().st_mtime:
        parts = [(c.columns[4:], c.iloc[:, 4:].to_numpy(np.float32), c.iloc[:, :4]) for c in pd.read_csv(path, dtype={"pid": str}, chunksize=50000)]
        meta = pd.concat([p[2] for p in parts])
        np.savez(kept, names=np.array(parts[0][0], dtype=str), x=np.concatenate([p[1] for p in parts]), y=meta["label"].to_numpy(),
                 pid=pd.factorize(meta["pid"])[0], time=meta[["ICULOS", "HospAdmTime"]].to_numpy(np.float32))
    return np.load(kept)


class Data:
    def __init__(self, path):
        d = read(path)
        self.names, self.x, self.y, self.pid, self.time = [str(n) for n in d["names"]], d["x"], d["y"], d["pid"], d["time"]
        patients = self.pid.max() + 1
        self.fold = (np.random.RandomState(SEED).permutation(patients) % FOLDS)[self.pid]
        septic = np.zeros(patients, bool)
        np.logical_or.at(septic, self.pid, self.y == 1)
        # Rows of a later septic patient before the label begins are neither: they are examined but not trained on.
        chosen = np.random.RandomState(SEED).rand(len(self.y)) < NEGATIVES
        self.train = (self.y == 1) | (chosen & ~septic[self.pid])
        strict = [i for i, n in enumerate(self.names) if "/hours/" not in n]
        self.variants = {"strict": self.x[:, strict], "shipped": self.x, "with time in the unit": np.hstack([self.x, self.time])}


def fit(x, y, seed=SEED, names=None):
    return xgboost.train(dict(PARAMS, seed=seed), xgboost.DMatrix(x, y, feature_names=names), ROUNDS)


def examine(d, x):
    p = np.zeros(len(d.y), np.float32)
    for k in range(FOLDS):
        train, test = d.train & (d.fold != k), d.fold == k
        p[test] = fit(x[train], d.y[train]).predict(xgboost.DMatrix(x[test]))
    return p


def interval(d, p, rounds=200):
    """AUROC with a 95 % interval from resampling patients."""
    order = np.argsort(p, kind="stable")
    rank = np.empty(len(p))
    rank[order] = np.arange(len(p))
    rng, n, out = np.random.RandomState(SEED), d.pid.max() + 1, []
    for _ in range(rounds):
        w = np.bincount(rng.randint(0, n, n), minlength=n)[d.pid].astype(float)
        pos, neg = (w * (d.y == 1))[order], (w * (d.y == 0))[order]
        out.append((pos * (np.cumsum(neg) - neg / 2)).sum() / pos.sum() / neg.sum())
    return roc_auc_score(d.y, p), float(np.quantile(out, 0.025)), float(np.quantile(out, 0.975))


def main(path):
    d = Data(path)
    results, kept = {}, None
    for name, x in d.variants.items():
        p = examine(d, x)
        results[name] = interval(d, p) + ([roc_auc_score(d.y[d.fold == k], p[d.fold == k]) for k in range(FOLDS)],)
        print(name, "AUROC %.4f (%.4f to %.4f)" % results[name][:3], "folds", np.round(results[name][3], 4), flush=True)
        if name == "shipped":
            kept = p
    export.deterioration(d, fit(d.x[d.train], d.y[d.train], names=d.names), results, kept)


if __name__ == "__main__":
    main(sys.argv[1])
