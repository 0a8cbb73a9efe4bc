"""Writes what the training programs found into the catalogue: trees, figures, calibration, reports."""

import gzip
import json
import pathlib

import numpy as np
from sklearn.isotonic import IsotonicRegression

ROOT = pathlib.Path(__file__).parent.parent
MODELS, OUT = ROOT / "catalog/models", ROOT / "training/out"


def trees(key, model, names):
    """Saves the trees as XGBoost's JSON, packed; the same model gives the same bytes."""
    model.feature_names = names
    raw = bytes(model.save_raw("json"))
    path = MODELS / (key + ".json.gz")
    path.write_bytes(gzip.compress(raw, 9, mtime=0))
    print(path.name, len(path.read_bytes()) // 1000, "kB")


def calibrate(p, y, points=24):
    """Isotonic regression, thinned to a few points that never fall."""
    iso = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(p, y)
    tail = 1 - np.geomspace(0.1, max(20 / len(p), 1e-4), points // 2)
    grid = np.unique(np.quantile(p, np.concatenate([np.linspace(0, 0.9, points // 2), tail])).round(6))
    return [(float(g), float(round(v, 6))) for g, v in zip(grid, iso.predict(grid))]


def reliability(p, y, curve, n=10):
    given = np.interp(p, [c[0] for c in curve], [c[1] for c in curve])
    order = np.argsort(given, kind="stable")
    return [dict(given=float(given[i].mean().round(5)), observed=float(y[i].mean().round(5)), count=len(i)) for i in np.array_split(order, n)]


def figure(key, label, value, low=0.0, high=0.0, unit=""):
    return dict(key=key, label=label, value=round(float(value), 4), low=round(float(low), 4), high=round(float(high), 4), unit=unit)


def flow(v):
    return json.dumps(v, ensure_ascii=False)


def catalogue(key, head, curve, figures, bins):
    """Writes the YAML of a model: what a person wrote (head), then what was measured."""
    lines = ["# Written by training/%s.py; edit the texts there." % key]
    lines += ["%s: %s" % (k, flow(v)) for k, v in head.items()]
    lines += ["calibration:"] + ["  - %s" % flow(list(c)) for c in curve]
    lines += ["figures:"] + ["  - %s" % flow(f) for f in figures]
    lines += ["reliability:"] + ["  - %s" % flow(b) for b in bins]
    (MODELS / (key + ".yaml")).write_text("\n".join(lines) + "\n")


def report(key, title, figures, bins, more=""):
    lines = ["# " + title, "", "| figure | value | 95 % interval |", "| --- | --- | --- |"]
    for f in figures:
        spread = "%g to %g" % (f["low"], f["high"]) if f["high"] else ""
        lines.append("| %s | %g %s | %s |" % (f["label"], f["value"], f["unit"], spread))
    lines += ["", "Calibration, tenths of the cases out of fold:", "", "| given | observed | cases |", "| --- | --- | --- |"]
    lines += ["| %.4f | %.4f | %d |" % (b["given"], b["observed"], b["count"]) for b in bins]
    OUT.mkdir(exist_ok=True)
    (OUT / (key + ".md")).write_text("\n".join(lines) + "\n" + more)


def wilson(k, n):
    z, p = 1.96, k / n
    mid, half = (p + z * z / 2 / n) / (1 + z * z / n), z * np.sqrt(p * (1 - p) / n + z * z / 4 / n / n) / (1 + z * z / n)
    return mid - half, mid + half


def by_patient(top, bottom, pid, rounds=500):
    """A ratio of counts with a 95 % interval from resampling patients: hours of one patient are not independent."""
    a, b = np.bincount(pid, top), np.bincount(pid, bottom)
    rng = np.random.RandomState(1)
    out = []
    for _ in range(rounds):
        i = rng.randint(0, len(a), len(a))
        out.append(a[i].sum() / max(1, b[i].sum()))
    return [100 * x for x in (a.sum() / b.sum(), np.quantile(out, 0.025), np.quantile(out, 0.975))]


def falsealarm(d, model, found):
    records, blocks, p, cut = found["records"], found["blocks"], found["p"], found["cut"]
    trees("falsealarm", model, d.names)
    judged = p < 1
    curve = calibrate(p[judged], d.y[judged])
    bins = reliability(p[judged], d.y[judged], curve, 8)
    true, false = (d.y == 1).sum(), (d.y == 0).sum()
    kept, demoted = (p[d.y == 1] >= cut).sum(), (p[d.y == 0] < cut).sum()
    figures = [
        figure("score", "Challenge score, ten-fold by record, cuts chosen inside the training folds", records["score"].mean(), records["score"].min(), records["score"].max()),
        figure("score-blocks", "Challenge score, neighbouring records kept together", blocks["score"].mean()),
        figure("auroc", "AUROC, by record", records["auroc"].mean(), records["auroc"].min(), records["auroc"].max()),
        figure("demoted", "False alarms demoted at the operating point", 100 * demoted / false, *(100 * x for x in wilson(demoted, false)), unit="%"),
        figure("kept", "True alarms that stay at the operating point", 100 * kept / true, *(100 * x for x in wilson(kept, true)), unit="%"),
        figure("nested-demoted", "False alarms demoted, cut chosen inside the training folds", 100 * records["nested_demoted"].mean(), unit="%"),
        figure("nested-kept", "True alarms that stay, cut chosen inside the training folds", 100 * records["nested_tpr"].mean(), unit="%"),
        figure("records", "Records", len(d.y)),
    ]
    head = dict(key="false-alarm", version="1", kind="false-alarm", title="False arrhythmia alarms",
                sentence="Says from the last half minute of ECG, pleth and arterial pressure how likely an arrhythmia alarm is true.",
                use="Demotes arrhythmia alarms that are very likely artefact to low priority, with the reason. The alarm stays on the list.",
                not_for="Silencing or deleting alarms; neonates; alarms without any ECG; monitors whose arrhythmia alarms differ from those it was trained on, before the shadow period has shown it.",
                data="PhysioNet/CinC Challenge 2015 training set, 450 records of four hospitals' intensive care units; time in the unit is not part of the data.",
                trees="falsealarm.json.gz", card="falsealarm.md", cut=round(cut, 6), trust=found["trust"],
                rules={"asystole": "asystole", "ecg-extreme-brady": "extreme-brady", "ecg-extreme-tachy": "extreme-tachy", "heart-rate-extreme-low": "extreme-brady", "heart-rate-extreme-high": "extreme-tachy",
                       "ventricular-tachycardia": "ventricular-tachy", "ventricular-fibrillation": "ventricular-fib"},
                local=dict(days=14, judged=200, true=50, false=50, keep_at=0.99, auroc=0.8, horizon=0))
    catalogue("falsealarm", head, curve, figures, bins)
    kinds = ["", "By kind of alarm (out of fold, operating point):", "", "| kind | true | kept | false | demoted |", "| --- | --- | --- | --- | --- |"]
    for k in np.unique(d.kind):
        t, f = (d.kind == k) & (d.y == 1), (d.kind == k) & (d.y == 0)
        kinds.append("| %s | %d | %d | %d | %d |" % (k, t.sum(), (p[t] >= cut).sum(), f.sum(), (p[f] < cut).sum()))
    report("falsealarm", "False-alarm model: cross-validation", figures, bins, "\n".join(kinds) + "\n")


def deterioration(d, model, results, p):
    trees("deterioration", model, d.names)
    curve = calibrate(p, d.y)
    bins = reliability(p, d.y, curve)
    sick = np.zeros(d.pid.max() + 1, bool)
    sick[d.pid[d.y == 1]] = True
    cuts = {name: float(np.quantile(p, 1 - share)) for name, share in (("notify", 0.05),)}
    cut, days = cuts["notify"], len(d.y) / 24
    acts = p >= cut
    reached = np.zeros(d.pid.max() + 1, bool)
    reached[d.pid[acts & (d.y == 1)]] = True
    fresh = acts & ~np.concatenate([[False], acts[:-1] & (d.pid[1:] == d.pid[:-1])])  # an alert is the first hour of a run
    label = {"strict": "AUROC without time in the unit, strict: no count of measured hours either",
             "shipped": "AUROC without time in the unit, with counts of measured hours (this model)",
             "with time in the unit": "AUROC with time in the unit (ICULOS, HospAdmTime): for comparison, not shipped"}
    figures = [figure("auroc-" + k.split()[0], label[k], v[0], v[1], v[2]) for k, v in results.items()]
    figures += [
        figure("ppv", "PPV of an hour at the operating point", *by_patient(acts & (d.y == 1), acts, d.pid), unit="%"),
        figure("sensitivity", "Hours within the label at the operating point", *by_patient(acts & (d.y == 1), d.y == 1, d.pid), unit="%"),
        figure("patients-reached", "Septic patients with an alert within the label", 100 * reached.sum() / sick.sum(), *(100 * x for x in wilson(reached.sum(), sick.sum())), unit="%"),
        figure("alerts", "Alerts a day per 100 patients", 100 * fresh.sum() / days, unit="/d"),
        figure("prevalence", "Hours within the label", 100 * d.y.mean(), unit="%"),
        figure("patients", "Patients", d.pid.max() + 1),
        figure("hours", "Patient hours", len(d.y)),
    ]
    head = dict(key="deterioration", version="1", kind="deterioration", title="Risk of deterioration",
                sentence="Says every hour from vital signs alone how likely the patient is within the hours before or at the onset of sepsis.",
                use="A trend on the patient's page and a low-priority notice to look at the patient.",
                not_for="Diagnosis; deciding treatment; ruling sepsis out; patients under 14; places where vital signs are taken less than every few hours, before the shadow period has shown it.",
                data="PhysioNet/CinC Challenge 2019, 10,000 intensive-care patients of hospital A, hourly rows. Counts of measured hours in the last 24 and 72 h tell how long a patient has been watched; the strict figure is without them.",
                trees="deterioration.json.gz", card="deterioration.md", cut=round(cut, 6), trust=0, rules={},
                local=dict(days=30, judged=5000, true=60, false=1000, keep_at=0, auroc=0.7, horizon=12))
    catalogue("deterioration", head, curve, figures, bins)
    table = ["", "AUROC by fold (patients):", "", "| variant | " + " | ".join(str(i + 1) for i in range(5)) + " |", "| --- |" + " --- |" * 5]
    table += ["| %s | %s |" % (k, " | ".join("%.4f" % x for x in v[3])) for k, v in results.items()]
    table += ["", "Operating points:", "", "| hours over the cut | PPV % | hours of the label % | septic patients reached % | alerts a day per 100 patients |", "| --- | --- | --- | --- | --- |"]
    for share in (0.005, 0.01, 0.02, 0.05, 0.1):
        a = p >= np.quantile(p, 1 - share)
        r = np.zeros(d.pid.max() + 1, bool)
        r[d.pid[a & (d.y == 1)]] = True
        f = a & ~np.concatenate([[False], a[:-1] & (d.pid[1:] == d.pid[:-1])])
        table.append("| %g %% | %.1f | %.1f | %.1f | %.1f |" % (100 * share, 100 * d.y[a].mean(), 100 * a[d.y == 1].mean(), 100 * r.sum() / sick.sum(), 100 * f.sum() / days))
    report("deterioration", "Deterioration model: cross-validation by patient", figures, bins, "\n".join(table) + "\n")
