package chaos

import (
	"maps"
	"slices"
)

// PresetLabUnreliable is the lab's unreliable network: each request waits 0 to 26 ms; one in ten is then lost, and
// one in ten replies; what is lost is answered with an error at once, so a call succeeds with 81 %.
const PresetLabUnreliable = "lab-unreliable"

// presets are named lists of faults that come and go together.
func presets() map[string][]Fault {
	return map[string][]Fault{
		PresetLabUnreliable: {
			{Name: PresetLabUnreliable + "-request-delay", Type: FaultDelay, Kind: KindRequest, Probability: 1, DelayMS: 13, JitterMS: 13},
			{Name: PresetLabUnreliable + "-request-loss", Type: FaultError, Kind: KindRequest, Probability: 0.1},
			{Name: PresetLabUnreliable + "-reply-loss", Type: FaultError, Kind: KindResponse, Probability: 0.1},
		},
	}
}

// Preset is a preset and the links on which it is in force.
type Preset struct {
	Name   string   `json:"name"`
	Faults []Fault  `json:"faults"`
	Links  []string `json:"links"`
}

// AddPreset puts a preset's faults into force on links, in one step.
func (s *Server) AddPreset(name string, on Targets) (Preset, error) {
	faults, ok := presets()[name]
	if !ok {
		return Preset{}, ErrPresetNotFound
	}
	faults, links, err := s.AddFaults(on, faults...)
	return Preset{Name: name, Faults: faults, Links: links}, err
}

// RemovePreset takes a preset's faults away from every link.
func (s *Server) RemovePreset(name string) (Preset, error) {
	faults, ok := presets()[name]
	if !ok {
		return Preset{}, ErrPresetNotFound
	}
	links, err := s.RemoveFaults("", faultNames(faults)...)
	if err != nil {
		return Preset{}, ErrPresetNotFound.more(": %s is in force nowhere", name)
	}
	return Preset{Name: name, Faults: faults, Links: links}, nil
}

// Presets returns every preset there is, by name.
func (s *Server) Presets() []Preset {
	inForce := s.Faults()
	all := presets()
	var shown []Preset
	for _, name := range slices.Sorted(maps.Keys(all)) {
		p := Preset{Name: name, Faults: all[name], Links: []string{}}
		for _, link := range slices.Sorted(maps.Keys(inForce)) {
			if slices.Contains(faultNames(inForce[link]), p.Faults[0].Name) {
				p.Links = append(p.Links, link)
			}
		}
		shown = append(shown, p)
	}
	return shown
}

func faultNames(faults []Fault) []string {
	names := make([]string, 0, len(faults))
	for _, f := range faults {
		names = append(names, f.Name)
	}
	return names
}
