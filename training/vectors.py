"""Writes the vectors that hold the Go evaluation to XGBoost's: invented rows, nobody's data. See README.md.

    /usr/bin/python3 training/vectors.py
"""

import json
import pathlib

import numpy as np
import xgboost

OUT = pathlib.Path(__file__).parent.parent / "internal/engine/predict/testdata"
NAMES = ["alpha", "beta", "gamma", "delta", "epsilon"]


def rows(rng, n):
    x = rng.normal(size=(n, len(NAMES))).astype(np.float32)
    x[rng.rand(*x.shape) < 0.2] = np.nan
    return x


def main():
    rng = np.random.RandomState(1)
    x = rows(rng, 2000)
    z = np.nan_to_num(x)
    y = (z[:, 0] + z[:, 1] * z[:, 2] + 0.5 * np.isnan(x[:, 3]) + rng.normal(size=len(x)) > 0.4).astype(int)
    model = xgboost.train(dict(objective="binary:logistic", max_depth=4, eta=0.3, base_score=0.3, num_parallel_tree=2, subsample=0.7, seed=1),
                          xgboost.DMatrix(x, y, feature_names=NAMES), 15)
    model.save_model(OUT / "forest.json")
    test = rows(rng, 200)
    tree = json.loads(model.save_raw("json"))["learner"]["gradient_booster"]["model"]["trees"][0]
    for i in range(20):  # values that lie exactly on a split
        k = i % len(tree["split_indices"])
        if tree["left_children"][k] >= 0:
            test[i, tree["split_indices"][k]] = np.float32(tree["split_conditions"][k])
    d = xgboost.DMatrix(test, feature_names=NAMES)
    margin = model.predict(d, output_margin=True)
    shares = model.predict(d, pred_contribs=True, approx_contribs=True)
    lines = [json.dumps({"row": [None if np.isnan(v) else float(v) for v in r], "margin": float(m), "probability": float(p), "shares": [round(float(v), 6) for v in s]})
             for r, m, p, s in zip(test, margin, model.predict(d), shares)]
    (OUT / "vectors.jsonl").write_text("\n".join(lines) + "\n")


main()
