"""Trains the false-alarm model and says how good it is. See README.md.

    go run ./training/features falsealarm DATA/alarms_cinc2015 > training/cache/falsealarm.csv
    /usr/bin/python3 training/falsealarm.py training/cache/falsealarm.csv

Writes catalog/models/falsealarm.json.gz (the trees, XGBoost's own JSON), catalog/models/falsealarm.yaml (figures,
calibration, operating point) and training/out/falsealarm.md. Figures come from cross-validation alone: the threshold
that a record is judged by was chosen without the record's fold.
"""

import sys

import numpy as np
import pandas as pd
import xgboost
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

import export

SEED = 20150
TRUST_AT_LEAST = 0.6  # where no channel can be trusted so far, the model does not judge
PARAMS = dict(objective="binary:logistic", tree_method="hist", max_bin=64, max_depth=2, eta=0.05, subsample=0.6, colsample_bynode=0.1,
              min_child_weight=2, reg_lambda=3, scale_pos_weight=2, num_parallel_tree=4, nthread=1, base_score=0.5)
ROUNDS = 400
KEEP_TRUE = 0.99  # of true alarms at the operating point


def fit(x, y, seed):
    return xgboost.train(dict(PARAMS, seed=seed), xgboost.DMatrix(x, y), ROUNDS)


def predict(model, d):
    p = model.predict(xgboost.DMatrix(d.x))
    return np.where(d.trust < TRUST_AT_LEAST, 1.0, p)  # not judged counts as true


class Data:
    def __init__(self, frame):
        self.frame = frame
        self.names = list(frame.columns[3:])
        self.x = frame[self.names].to_numpy(np.float32)
        self.y = frame["true_alarm"].to_numpy()
        self.kind = frame["alarm"].to_numpy()
        self.strata = pd.factorize(frame["alarm"] + frame["true_alarm"].astype(str))[0]
        channels = [c + "/trust" for c in ("ecg", "ecg-2", "pleth", "pressure")]
        self.trust = frame[channels].max(axis=1).fillna(0).to_numpy()
        # Records of one patient lie beside each other in the numbering of the set: blocks of ten neighbours stay together.
        number = frame["record"].str.extract(r"(\d+)")[0].astype(int)
        self.block = number.rank().to_numpy().astype(int) // 10

    def part(self, rows):
        return Data(self.frame.iloc[rows].reset_index(drop=True))


def folds(d, k, seed, blocks):
    if not blocks:
        return list(StratifiedKFold(k, shuffle=True, random_state=seed).split(d.x, d.strata))
    unique = np.unique(d.block)
    of = dict(zip(unique, np.random.RandomState(seed).permutation(len(unique)) % k))
    fold = np.array([of[b] for b in d.block])
    return [(np.flatnonzero(fold != i), np.flatnonzero(fold == i)) for i in range(k)]


def out_of_fold(d, k, seed, blocks):
    out = np.zeros(len(d.y))
    for train, test in folds(d, k, seed, blocks):
        t = d.part(train)
        out[test] = predict(fit(t.x, t.y, seed), d.part(test))
    return out


def challenge(y, keep):
    """The score of PhysioNet/CinC 2015, in percent."""
    tp, tn = (keep & (y == 1)).sum(), (~keep & (y == 0)).sum()
    fp, fn = (keep & (y == 0)).sum(), (~keep & (y == 1)).sum()
    return 100 * (tp + tn) / (tp + tn + fp + 5 * fn)


def cut_for_score(y, p):
    cuts = np.unique(np.concatenate([[0], (np.sort(p)[1:] + np.sort(p)[:-1]) / 2]))
    scores = np.array([challenge(y, p >= c) for c in cuts])
    good = cuts[scores >= scores.max() - 0.5]  # the middle of the plateau
    return float(np.median(good))


def cut_for_keep(y, p, keep):
    """The highest cut at which at least the share of true alarms is kept."""
    true = np.sort(p[y == 1])
    return float(true[int(np.floor((1 - keep) * len(true) + 1e-9))])


def examine(d, repeats, blocks):
    """Nested cross-validation: in each of ten folds the cuts come from five folds within the other nine."""
    rows, pooled = [], []
    for r in range(repeats):
        p, score_keep, point_keep = np.zeros(len(d.y)), np.zeros(len(d.y), bool), np.zeros(len(d.y), bool)
        for train, test in folds(d, 10, SEED + r, blocks):
            t, v = d.part(train), d.part(test)
            inner = out_of_fold(t, 5, SEED + r, blocks)
            p[test] = predict(fit(t.x, t.y, SEED + r), v)
            score_keep[test] = p[test] >= cut_for_score(t.y, inner)
            point_keep[test] = p[test] >= cut_for_keep(t.y, inner, KEEP_TRUE)
        y, c = d.y, cut_for_keep(d.y, p, KEEP_TRUE)
        rows.append(dict(score=challenge(y, score_keep), auroc=roc_auc_score(y, p),
                         nested_tpr=point_keep[y == 1].mean(), nested_demoted=1 - point_keep[y == 0].mean(),
                         curve_tpr=(p[y == 1] >= c).mean(), curve_demoted=(p[y == 0] < c).mean()))
        pooled.append(p)
        print("blocks" if blocks else "records", r, {k: round(float(v), 4) for k, v in rows[-1].items()}, flush=True)
    return pd.DataFrame(rows), np.mean(pooled, axis=0)


def main(path):
    d = Data(pd.read_csv(path))
    records, p = examine(d, 2, False)
    blocks, pb = examine(d, 1, True)
    cut = cut_for_keep(d.y, p, KEEP_TRUE)
    print("mean of repeats: TPR %.4f demoted %.4f AUROC %.4f" % ((p[d.y == 1] >= cut).mean(), (p[d.y == 0] < cut).mean(), roc_auc_score(d.y, p)))
    print("blocks: demoted %.4f" % (pb[d.y == 0] < cut_for_keep(d.y, pb, KEEP_TRUE)).mean())
    export.falsealarm(d, fit(d.x, d.y, SEED), dict(records=records, blocks=blocks, p=p, cut=cut, trust=TRUST_AT_LEAST))


if __name__ == "__main__":
    main(sys.argv[1])
