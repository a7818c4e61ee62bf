package observe

// FastSet names the metric families that judges need, of nodes and of the proxy: what a scraper keeps by default.
func FastSet() []string {
	return []string{
		"process_start_time_seconds",
		"raft_monotonic_seconds",
		"raft_term",
		"raft_last_won_term",
		"raft_role",
		"raft_known_leader",
		"raft_first_log_index",
		"raft_last_log_index",
		"raft_durable_log_index",
		"raft_commit_index",
		"raft_applied_index",
		"raft_snapshot_index",
		"raft_elections_started_total",
		"raft_elections_finished_total",
		"raft_leader_changes_total",
		"raft_stepdowns_total",
		"raft_leaderless_seconds_total",
		"raft_leader_contact_age_seconds",
		"raft_quorum_contact_age_seconds",
		"raft_heartbeats_sent_total",
		"raft_heartbeats_received_total",
		"raft_heartbeats_per_second_max",
		"raft_append_entries_replies_total",
		"raft_proposals_total",
		"raft_proposals_pending",
		"chaosproxy_connections",
		"chaosproxy_connections_total",
		"chaosproxy_watch_frames_total",
		"chaosproxy_frames_affected_total",
		"chaosproxy_faults_active",
		"chaosproxy_faults_matched_total",
	}
}
