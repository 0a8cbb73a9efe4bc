// Package catalog is what Vigil knows before anybody configures it: device profiles, rules, scores and escalation
// chains, as YAML that is embedded in the binary.
//
// It decodes and checks; it does not run anything (engine/ingest maps messages, engine/rule watches). Start at Profile.
package catalog

import (
	"embed"
	"io/fs"
	"path"
	"sort"
	"strings"
)

//go:embed devices
var devices embed.FS

// Devices returns every shipped device profile by key. It fails only on a broken build.
func Devices() (map[string]*Profile, error) {
	return LoadDevices(devices, "devices")
}

// LoadDevices reads every *.yaml under dir of fsys as a device profile, so that a site adds its own beside the shipped ones.
func LoadDevices(fsys fs.FS, dir string) (map[string]*Profile, error) {
	names, err := fs.Glob(fsys, path.Join(dir, "*.yaml"))
	if err != nil {
		return nil, err
	}
	sort.Strings(names)
	out := make(map[string]*Profile, len(names))
	for _, name := range names {
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		p, err := ParseProfile(name, text)
		if err != nil {
			return nil, err
		}
		out[p.Key] = p
	}
	return out, nil
}

// DeviceSample returns the shipped sample message of a profile and the result that it must give.
func DeviceSample(key string) (sample, expected []byte, err error) {
	if sample, err = devices.ReadFile("devices/" + key + ".sample.json"); err != nil {
		return nil, nil, err
	}
	expected, err = devices.ReadFile("devices/" + key + ".expected.json")
	return sample, expected, err
}

// DeviceKeys returns the keys of the shipped profiles in order.
func DeviceKeys() []string {
	names, _ := fs.Glob(devices, "devices/*.yaml") // the pattern is constant and well formed
	for i, n := range names {
		names[i] = strings.TrimSuffix(path.Base(n), ".yaml")
	}
	sort.Strings(names)
	return names
}
