package main

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// drawing is how a panel draws its answer.
type drawing int

const (
	lines  drawing = iota // a value that moves
	steps                 // a value that jumps and then stays
	bars                  // events counted per interval
	points                // a value that exists only now and then
	lanes                 // a state per series, over time
)

// panel is one picture: what it asks, what the answer means, how it is drawn.
type panel struct {
	title       string
	description string
	unit        string // Grafana's unit id, package units
	width       uint32 // of 24
	drawing     drawing
	queries     []query
	limit       *float64      // the line that must not be crossed; nil: none
	states      map[int]state // of lanes: what each value means
	max         *float64      // upper end of the axis; nil: by the data
	signed      bool          // values below 0 mean something
}

// query is one PromQL expression and the legend of its series.
type query struct {
	expr   string
	legend string
}

// state is how one value of a lane is shown.
type state struct {
	text  string
	color string
}

// panelHeight is in Grafana's grid rows of 30 pixels.
const panelHeight = 8

// datasource refers to the dashboard's data source variable.
func datasource() common.DataSourceRef {
	return common.DataSourceRef{Type: cog.ToPtr("prometheus"), Uid: cog.ToPtr("${datasource}")}
}

// build turns the panel into the SDK's builder. id must be unique in its dashboard.
func (p panel) build(id uint32) cog.Builder[dashboard.Panel] {
	if p.drawing == lanes {
		return p.buildLanes(id)
	}
	return p.buildSeries(id)
}

func (p panel) buildSeries(id uint32) *timeseries.PanelBuilder {
	b := timeseries.NewPanelBuilder().
		Id(id).Title(p.title).Description(p.description).Datasource(datasource()).
		Height(panelHeight).Span(p.width).
		Unit(p.unit).
		ColorScheme(dashboard.NewFieldColorBuilder().Mode(dashboard.FieldColorModeIdPaletteClassicByName)).
		Legend(common.NewVizLegendOptionsBuilder().
			DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom).ShowLegend(true)).
		Tooltip(common.NewVizTooltipOptionsBuilder().
			Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending)).
		LineWidth(1).FillOpacity(0).ShowPoints(common.VisibilityModeNever).
		SpanNulls(common.BoolOrFloat64{Bool: cog.ToPtr(false)})
	switch p.drawing {
	case steps:
		b.LineInterpolation(common.LineInterpolationStepAfter)
	case bars:
		b.DrawStyle(common.GraphDrawStyleBars).FillOpacity(80).
			Stacking(common.NewStackingConfigBuilder().Mode(common.StackingModeNormal).Group("A"))
	case points:
		b.DrawStyle(common.GraphDrawStylePoints).PointSize(6).ShowPoints(common.VisibilityModeAlways)
	}
	if !p.signed {
		b.Min(0)
	}
	if p.max != nil {
		b.Max(*p.max)
	}
	if p.limit != nil {
		b.Thresholds(dashboard.NewThresholdsConfigBuilder().
			Mode(dashboard.ThresholdsModeAbsolute).
			Steps([]dashboard.Threshold{{Color: "transparent"}, {Value: p.limit, Color: "red"}})).
			ThresholdsStyle(common.NewGraphThresholdsStyleConfigBuilder().Mode(common.GraphThresholdsStyleModeLine)).
			AxisSoftMax(*p.limit)
	}
	for i, q := range p.queries {
		b.WithTarget(q.build(i))
	}
	return b
}

func (p panel) buildLanes(id uint32) *statetimeline.PanelBuilder {
	options := make(map[string]dashboard.ValueMappingResult, len(p.states))
	for value, s := range p.states {
		options[fmt.Sprint(value)] = dashboard.ValueMappingResult{
			Text: cog.ToPtr(s.text), Color: cog.ToPtr(s.color), Index: cog.ToPtr(int32(value)),
		}
	}
	b := statetimeline.NewPanelBuilder().
		Id(id).Title(p.title).Description(p.description).Datasource(datasource()).
		Height(panelHeight).Span(p.width).
		Unit(p.unit).
		Mappings([]dashboard.ValueMapping{{ValueMap: &dashboard.ValueMap{Type: dashboard.MappingTypeValueToText, Options: options}}}).
		MergeValues(true).ShowValue(common.VisibilityModeAuto).RowHeight(0.9).FillOpacity(80).LineWidth(0).
		// A node that is down answers no scrape: its lane must show a hole.
		NeverSpanNulls().
		Tooltip(common.NewVizTooltipOptionsBuilder().
			Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderNone)).
		Legend(common.NewVizLegendOptionsBuilder().
			DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom).ShowLegend(true))
	for i, q := range p.queries {
		b.WithTarget(q.build(i))
	}
	return b
}

// build names the queries of a panel A, B, C …
func (q query) build(i int) *prometheus.DataqueryBuilder {
	return prometheus.NewDataqueryBuilder().
		RefId(string(rune('A' + i))).
		Datasource(datasource()).
		EditorMode(prometheus.QueryEditorModeCode).
		Expr(q.expr).LegendFormat(q.legend).
		Format(prometheus.PromQueryFormatTimeSeries).
		Range()
}
