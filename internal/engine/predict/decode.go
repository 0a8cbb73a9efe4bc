package predict

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"

	"github.com/vigil-health/vigil"
)

// Bounds of what is read: far above any model of this house, far below what would hurt it.
const (
	maxNodes    = 4 << 20
	maxFeatures = 1 << 14
)

// saved is the part of XGBoost's model file (JSON, versions 1.0 to 3) that evaluation needs.
type saved struct {
	Learner struct {
		FeatureNames []string `json:"feature_names"`
		Booster      struct {
			Name  string `json:"name"`
			Model struct {
				Trees []savedTree `json:"trees"`
			} `json:"model"`
		} `json:"gradient_booster"`
		Param struct {
			BaseScore  string `json:"base_score"`
			NumFeature string `json:"num_feature"`
			NumClass   string `json:"num_class"`
			NumTarget  string `json:"num_target"`
		} `json:"learner_model_param"`
		Objective struct {
			Name string `json:"name"`
		} `json:"objective"`
	} `json:"learner"`
}

// savedTree is one tree as columns, one entry a node.
type savedTree struct {
	Left        []int32   `json:"left_children"`
	Right       []int32   `json:"right_children"`
	Feature     []int32   `json:"split_indices"`
	Split       []float32 `json:"split_conditions"`
	DefaultLeft []flag    `json:"default_left"`
	Weight      []float64 `json:"sum_hessian"`
	Categories  []int32   `json:"categories_nodes"`
}

// flag is written as 0 and 1 by some versions, as false and true by others.
type flag bool

func (f *flag) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "0", "false":
		*f = false
	case "1", "true":
		*f = true
	default:
		return vigil.Errorf(vigil.Invalid, "predict.decode", "default_left holds %q, neither true nor false", b)
	}
	return nil
}

// Decode reads a model as XGBoost saves it in JSON: gbtree, one output, binary:logistic, numeric splits only.
// It returns Invalid for anything else, and for trees that do not hang together.
func Decode(data []byte) (*Forest, error) {
	var s saved
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, invalid("not an XGBoost model in JSON: %w", err)
	}
	l := &s.Learner
	switch {
	case l.Booster.Name != "gbtree":
		return nil, invalid("booster %q is not supported, only gbtree", l.Booster.Name)
	case l.Objective.Name != "binary:logistic":
		return nil, invalid("objective %q is not supported, only binary:logistic", l.Objective.Name)
	case l.Param.NumClass != "" && l.Param.NumClass != "0", l.Param.NumTarget != "" && l.Param.NumTarget != "1":
		return nil, invalid("a model with several outputs is not supported")
	}
	features, err := strconv.Atoi(l.Param.NumFeature)
	if err != nil || features <= 0 || features > maxFeatures || len(l.FeatureNames) != features {
		return nil, invalid("num_feature is %q with %d feature names; save the model with one name a feature", l.Param.NumFeature, len(l.FeatureNames))
	}
	base, err := strconv.ParseFloat(l.Param.BaseScore, 32)
	if err != nil || !(base > 0 && base < 1) {
		return nil, invalid("base_score %q is no probability", l.Param.BaseScore)
	}
	f := &Forest{names: l.FeatureNames, base: logit(float32(base))}
	for i := range l.Booster.Model.Trees {
		if err := f.add(&l.Booster.Model.Trees[i], features); err != nil {
			return nil, invalid("tree %d: %w", i, err)
		}
	}
	if len(f.roots) == 0 {
		return nil, invalid("the model has no trees")
	}
	return f, nil
}

// logit is rounded where XGBoost rounds.
func logit(p float32) float32 {
	if p == 0.5 {
		return 0 // not minus 0
	}
	return float32(-math.Log(float64(1/p - 1)))
}

func invalid(format string, args ...any) error {
	return vigil.Errorf(vigil.Invalid, "predict.decode", format, args...)
}

// add appends a tree. Children come after their parent, so that no walk can go in circles.
func (f *Forest) add(t *savedTree, features int) error {
	n := len(t.Left)
	if n == 0 || len(t.Right) != n || len(t.Feature) != n || len(t.Split) != n || len(t.DefaultLeft) != n || len(t.Weight) != n {
		return invalid("its columns differ in length")
	}
	if len(t.Categories) > 0 {
		return invalid("splits on categories are not supported")
	}
	if len(f.nodes)+n > maxNodes {
		return invalid("more than %d nodes", maxNodes)
	}
	from := int32(len(f.nodes))
	for i := range n {
		x := node{split: t.Split[i], feature: -1, missingLeft: bool(t.DefaultLeft[i])}
		if l, r := t.Left[i], t.Right[i]; l != -1 || r != -1 {
			if l <= int32(i) || r <= int32(i) || int(l) >= n || int(r) >= n || l == r {
				return invalid("node %d has the children %d and %d", i, l, r)
			}
			if t.Feature[i] < 0 || int(t.Feature[i]) >= features {
				return invalid("node %d splits on feature %d of %d", i, t.Feature[i], features)
			}
			x.feature, x.left, x.right = t.Feature[i], from+l, from+r
		}
		f.nodes = append(f.nodes, x)
	}
	f.roots = append(f.roots, from)
	f.means(int(from), t.Weight)
	return nil
}

// means fills the expected values from the leaves up.
func (f *Forest) means(from int, weight []float64) {
	for i, w := range slices.Backward(weight) {
		n := &f.nodes[from+i]
		if n.feature < 0 {
			n.mean = n.split
			continue
		}
		l, r := weight[int(n.left)-from], weight[int(n.right)-from]
		if sum := l + r; sum > 0 && w >= 0 {
			n.mean = float32((l*float64(f.nodes[n.left].mean) + r*float64(f.nodes[n.right].mean)) / sum)
		}
	}
}
