//! The door into the Tauri process: one line a command.
import { invoke } from '@tauri-apps/api/core';
import { listen } from '@tauri-apps/api/event';
import type { Api, Topic } from './api';

export const api: Api = {
  shell: () => invoke('shell'),
  openFleet: (name) => invoke('open_fleet', { name }),
  fleetOverview: (fleet, page) => invoke('fleet_overview', { fleet, page }),
  nodeNames: (fleet) => invoke('node_names', { fleet }),
  node: (fleet, id) => invoke('node', { fleet, id }),
  nodeRaw: (fleet, id) => invoke('node_raw', { fleet, id }),
  nodeLogs: (fleet, id, filter, level, maxAgeS) => invoke('node_logs', { fleet, id, filter, level, maxAgeS }),
  drift: (fleet, baseline, group) => invoke('drift', { fleet, baseline, group }),
  policyTextDiff: (fleet, from, to, policy) => invoke('policy_text_diff', { fleet, from, to, policy }),
  preparePlan: (fleet, request) => invoke('prepare_plan', { fleet, request }),
  startRun: (fleet, planHash, typed) => invoke('start_run', { fleet, planHash, typed }),
  run: (id) => invoke('run', { id }),
  runs: (fleet) => invoke('runs', { fleet }),
  abortRun: (id) => invoke('abort_run', { id }),
  refresh: (fleet) => invoke('refresh', { fleet }),
  settings: () => invoke('settings'),
  addFleet: (path) => invoke('add_fleet', { path }),
  removeFleet: (name) => invoke('remove_fleet', { name }),
  previewImport: (fleet, format, text, name) => invoke('preview_import', { fleet, format, text, name }),
  saveImport: (name, toml) => invoke('save_import', { name, toml }),
  setSecret: (name, secret) => invoke('set_secret', { name, secret }),
  deleteSecret: (name) => invoke('delete_secret', { name }),
  startDemo: () => invoke('start_demo'),
  chartSvg: (fleet, chart, node) => invoke('chart_svg', { fleet, chart, node }),
  painted: (ms) => invoke('painted', { ms }),
  visible: (visible) => invoke('visible', { visible }),
  quit: () => invoke('quit'),
  onTopics: (heard) => listen<Topic[]>('topics', (event) => heard(event.payload)),
};
