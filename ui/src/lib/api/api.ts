//! The one door to the program behind the window: an interface with two implementations.
import type {
  AboutView,
  ActedView,
  ActionRequest,
  AlertAct,
  AlertsPage,
  AlertView,
  AppError,
  Baseline,
  BundleChoice,
  CaptureAsked,
  CaptureView,
  CertificateView,
  ChosenText,
  ClearingFileView,
  ClearingView,
  DoctorView,
  DriftView,
  DryRunView,
  EvidenceDiffView,
  EvidenceOpened,
  EvidenceStep,
  FleetPage,
  FleetView,
  HistoryView,
  ImpactView,
  ReadingView,
  ImportFormat,
  InboxView,
  IncidentAct,
  IncidentRow,
  IncidentView,
  ImportPreview,
  KeyFileRequest,
  KeyRequest,
  LibraryRow,
  LogLine,
  MomentsView,
  NewKeyRequest,
  NodeNames,
  NodeView,
  OwnKeysView,
  PersonalKeyView,
  PlanConsentView,
  PlanView,
  RawAnswer,
  RecordedView,
  RefusedPushView,
  RefusedView,
  ChecklistView,
  RehearsalView,
  RequestFileView,
  RetentionView,
  ReviewView,
  RosterFileView,
  RosterView,
  RunbookAsked,
  RunbookBegun,
  RunbookOccasion,
  RunbookOffer,
  RunbookPage,
  RunbookRunPage,
  RunbookRunView,
  RunbookWord,
  RunCertificateView,
  RunMoment,
  RunOrder,
  RunView,
  SealedHere,
  SettingsView,
  ShellView,
  SignedView,
  SignerView,
  SignRequest,
  TextDiffView,
  Topic,
  WaitingPlanView,
} from './bindings';

export type * from './bindings';

export type HistoryChart = 'timeline' | 'raster' | 'reloads' | 'age';
export type Chart = 'versions' | 'reloads';

/** Two contents by digest, and how their conditions are read; null where that is left to the fleet. */
export interface ComparedContents {
  from: string;
  to: string;
  reading: ReadingView | null;
}

/** Files of a reviewer that came by another way than the archive. */
export interface NamedKeys {
  /** Public keys of whoever may have sealed it. */
  keys: string[];
  /** Root keys of its roster, or a roster that is trusted. */
  roots: string[];
}

export interface Api {
  shell(): Promise<ShellView>;
  openFleet(name: string): Promise<ShellView>;
  fleetOverview(fleet: string, page: FleetPage): Promise<FleetView>;
  nodeNames(fleet: string): Promise<NodeNames>;
  node(fleet: string, id: string): Promise<NodeView>;
  nodeRaw(fleet: string, id: string): Promise<RawAnswer[]>;
  /** Newest lines first; an empty filter, an empty level and an age of 0 ask for everything. */
  nodeLogs(fleet: string, id: string, filter: string, level: string, maxAgeS: number): Promise<LogLine[]>;
  drift(fleet: string, baseline: Baseline, group: string | null): Promise<DriftView>;
  /** Moments of the past that are kept: of nodes whose names contain `named`. */
  moments(fleet: string, named: string): Promise<MomentsView>;
  policyTextDiff(fleet: string, from: string | null, to: string | null, policy: string): Promise<TextDiffView>;
  /**
   * Which requests another content answers differently; both bundles have to be at hand. `soFar` hears what is known while it goes on.
   * Another question, or [`stopImpact`], ends it.
   */
  impact(fleet: string, compared: ComparedContents, soFar: (view: ImpactView) => void): Promise<ImpactView>;
  stopImpact(compared: ComparedContents): Promise<void>;
  /** What nodes can be brought to, with the signed bundle that holds it. */
  bundleChoices(fleet: string): Promise<BundleChoice[]>;
  preparePlan(fleet: string, request: ActionRequest): Promise<PlanView>;
  /** `reason` is for a plan that passes a safeguard over, as a forced load does. */
  startRun(fleet: string, planHash: string, typed: string | null, reason: string | null): Promise<RunView>;
  /** A rollback to last-known-good at the hours of the rule, with the reason; a review is due afterwards. */
  startRunAtNight(fleet: string, planHash: string, typed: string | null, reason: string, key: KeyRequest): Promise<RunView>;
  /** How a plan stands with those who must consent; nothing where nobody has to. */
  planConsent(planHash: string): Promise<PlanConsentView | null>;
  /** Asks every node of a plan and changes nothing; approvals bind what is found. */
  dryRun(planHash: string): Promise<DryRunView>;
  /** What the newest dry run of a plan found; nothing where no node was asked yet. */
  newestDryRun(planHash: string): Promise<DryRunView | null>;
  /** What is ready before a change of a fleet, and what shows it. */
  readiness(fleet: string): Promise<ChecklistView>;
  linkReadiness(fleet: string, item: string, url: string): Promise<ChecklistView>;
  /** Signs that somebody looked at an item and that it is ready, and adds it. */
  attestReadiness(fleet: string, item: string, seen: string, role: string | null, key: KeyRequest): Promise<ChecklistView>;
  /** Plans that approval was asked for and that have not run, the newest request first. */
  waitingPlans(fleet: string): Promise<WaitingPlanView[]>;
  /** A plan that was shown before, so that it can be started; refused with the difference where it would come out differently now. */
  prepareKept(fleet: string, planHash: string): Promise<PlanView>;
  /** Signs the request for a plan and writes the file for those who approve. */
  askForApproval(fleet: string, planHash: string, key: KeyRequest, path: string): Promise<SignedView>;
  /** Writes a request that was signed before once more. */
  saveRequest(planHash: string, path: string): Promise<void>;
  /** Adds an answer that somebody sent, and tells the plan that it is about. */
  addApprovalFile(fleet: string, path: string): Promise<string>;
  /** Signs an answer to a plan that was asked for here, and keeps it. */
  signHere(fleet: string, planHash: string, sign: SignRequest): Promise<SignedView>;
  openRequest(path: string): Promise<RequestFileView>;
  /** Signs an answer to a request file as it was shown, and writes it to a file. */
  answerRequestFile(path: string, digest: string, sign: SignRequest, output: string): Promise<SignedView>;
  /** Rollbacks without approvals that nobody else looked at yet, the most urgent first. */
  reviewsDue(fleet: string): Promise<ReviewView[]>;
  /** Keys of this machine, and the groups that have a say in a fleet. */
  reviewSigners(fleet: string): Promise<[SignerView[], string[]]>;
  giveReview(fleet: string, run: string, note: string, role: string | null, key: KeyRequest): Promise<ReviewView[]>;
  /** The roster that rules a fleet; nothing where none is enrolled. */
  enrolledRoster(fleet: string): Promise<RosterView | null>;
  /** A roster in a file, believing nothing of it. */
  openRoster(fleet: string, path: string): Promise<RosterFileView>;
  /** Lets the roster hold that was shown; a first one takes the fingerprint of each root key, in their order. */
  enrolRoster(fleet: string, path: string, file: string, fingerprints: string[]): Promise<RosterView>;
  /** Keys of this machine, never their private halves, and as whom it asks for changes of a fleet. */
  ownKeys(fleet: string | null): Promise<OwnKeysView>;
  makeKey(asked: NewKeyRequest): Promise<PersonalKeyView>;
  /** Takes a key that is in a file already under a name; its private half stays in that file. */
  takeKey(name: string, file: KeyFileRequest): Promise<PersonalKeyView>;
  /** Content that no node may take, and which nodes hold to that by themselves. */
  refused(fleet: string): Promise<RefusedView>;
  /** Refuses a content with a reason here, and signs the list with everything refused here where a key is given. */
  refuse(fleet: string, content: [content: string, reason: string] | null, key: KeyRequest | null): Promise<RefusedView>;
  /** Signs content clean; what others still have to sign is written to `output`. */
  clearRefused(fleet: string, content: string, reason: string, key: KeyRequest, output: string): Promise<ClearingView>;
  openClearing(fleet: string, path: string): Promise<ClearingFileView>;
  /** Adds a signature to a clearing as it was shown. */
  signClearing(fleet: string, path: string, file: string, key: KeyRequest, output: string): Promise<ClearingView>;
  takeRefused(fleet: string, path: string): Promise<RefusedView>;
  saveRefused(fleet: string, path: string): Promise<RefusedView>;
  pushRefused(fleet: string): Promise<RefusedPushView>;
  /** The newest certificate of a run, or when one can be made; no node is looked at for it. */
  runCertificate(id: string): Promise<RunCertificateView>;
  /** Looks at the targets of a run and makes its certificate. */
  makeCertificate(id: string): Promise<CertificateView>;
  saveCertificate(id: string, path: string): Promise<CertificateView>;
  run(id: string): Promise<RunView>;
  runs(fleet: string): Promise<RunView[]>;
  /** Waves, gates, halts and decisions of a run with their reasons, newest first. */
  runMoments(id: string): Promise<RunMoment[]>;
  /** Id of the newest run that some process carries out now. */
  liveRun(fleet: string): Promise<string | null>;
  abortRun(id: string): Promise<void>;
  /** Gives an order to a run this program carries out; answers when it stands in the journal. */
  orderRun(id: string, order: RunOrder): Promise<RunView>;
  /** Goes on with a rollout that another program left, from its journal. */
  resumeRun(id: string): Promise<RunView>;
  /** A page of the inbox that a fleet uses: the console's own, or the one of its hub. */
  alerts(fleet: string, page: AlertsPage): Promise<InboxView>;
  alert(fleet: string, alert: string): Promise<AlertView>;
  /** Does one thing with each of these alerts; those that do not allow it are told. */
  actOnAlerts(fleet: string, alerts: string[], act: AlertAct): Promise<ActedView>;
  /** The worst first. */
  incidents(fleet: string, withClosed: boolean): Promise<IncidentRow[]>;
  incident(fleet: string, incident: string): Promise<IncidentView>;
  actOnIncident(fleet: string, incident: string, act: IncidentAct): Promise<IncidentView>;
  /** The draft of a postmortem, in Markdown. */
  incidentDraft(fleet: string, incident: string): Promise<string>;
  /** What would be removed of alerts acknowledged longer ago than this; than the policy says without it. */
  alertRetention(fleet: string, ackedDays: number | null): Promise<RetentionView>;
  /** Removes what a preview counted, by its moment, and tells how many. */
  retainAlerts(fleet: string, beforeMs: number): Promise<number>;
  /** The library, each runbook with who vouches for it. */
  runbooks(fleet: string): Promise<LibraryRow[]>;
  /** A runbook, opened; nothing of it is run. */
  runbook(fleet: string, file: string): Promise<RunbookPage>;
  /** Starts a runbook, or tells what has to be typed first. */
  beginRunbook(fleet: string, asked: RunbookAsked): Promise<RunbookBegun>;
  /** Runs it against a simulated copy of the fleet, with a fault at every step in turn. */
  rehearseRunbook(fleet: string, asked: RunbookAsked): Promise<RehearsalView>;
  /** Runs of runbooks, newest first. */
  runbookRuns(fleet: string): Promise<RunbookRunView[]>;
  runbookRun(id: string): Promise<RunbookRunPage>;
  /** Tells a run that goes on here a person's word; without a name it is whoever uses this program. Durable when it answers. One that nobody carries out takes a word that ends it. */
  tellRunbook(id: string, by: string | null, groups: string[], word: RunbookWord): Promise<RunbookRunPage>;
  /** Signs a person's word, consent or an answer, and tells it the run. */
  signRunbook(id: string, word: RunbookWord, key: KeyRequest): Promise<RunbookRunPage>;
  /** Goes on with a run that another program left. */
  pickUpRunbook(id: string): Promise<RunbookRunPage>;
  /** Runbooks that fit what somebody looks at, with what is known of their parameters. */
  runbooksFor(fleet: string, occasion: RunbookOccasion): Promise<RunbookOffer[]>;
  /** Every check of a fleet, over what the store knows. */
  doctor(fleet: string): Promise<DoctorView>;
  /** A runbook made of runs in the record, in this order. */
  recordRunbook(fleet: string, runs: string[], title: string | null): Promise<RecordedView>;
  /** What nodes ran, how they reloaded and how old digests were, so many hours back. */
  history(fleet: string, hours: number): Promise<HistoryView>;
  historySvg(fleet: string, chart: HistoryChart, hours: number): Promise<string>;
  refresh(fleet: string): Promise<void>;
  settings(): Promise<SettingsView>;
  addFleet(path: string): Promise<ShellView>;
  removeFleet(name: string): Promise<ShellView>;
  previewImport(fleet: string | null, format: ImportFormat, text: string, name: string): Promise<ImportPreview>;
  /** Writes a new fleet to `file`, or to the data folder where none is given. */
  saveImport(name: string, toml: string, file: string | null): Promise<ShellView>;
  /** The system's file dialog; nothing when it was closed without a choice. */
  chooseFleetFile(): Promise<string | null>;
  /** The path of a request, an answer or a key; `what` is the title of the dialog. */
  chooseSignedFile(what: string): Promise<string | null>;
  chooseImportFile(): Promise<ChosenText | null>;
  choosePlace(name: string): Promise<string | null>;
  /** Asks where to, writes the text there and tells the path. */
  saveText(name: string, text: string): Promise<string | null>;
  setSecret(name: string, secret: string): Promise<void>;
  deleteSecret(name: string): Promise<void>;
  /** Tells the desktop about a fleet, or nothing of it from now on. */
  setQuiet(fleet: string, quiet: boolean): Promise<SettingsView>;
  startDemo(): Promise<ShellView>;
  /** What would be captured, and what would be taken out of it; nothing is kept. */
  previewCapture(fleet: string, asked: CaptureAsked): Promise<CaptureView>;
  /** Captures and seals, with the key of the console where none of a person is given. */
  captureEvidence(fleet: string, asked: CaptureAsked, key: KeyRequest | null, path: string): Promise<SealedHere>;
  chooseEvidence(): Promise<string | null>;
  /** Verifies an archive, and shows it in the place of the fleets unless a promise of it is broken. While it is shown nothing is asked of any node. */
  openEvidence(path: string, named: NamedKeys): Promise<EvidenceOpened>;
  /** What was found in the archive that was opened last; nothing where none was. */
  openedEvidence(): Promise<EvidenceOpened | null>;
  /** Goes back to the fleets. */
  closeEvidence(): Promise<ShellView>;
  /** Every moment of the evidence that is open. */
  evidenceSteps(): Promise<EvidenceStep[]>;
  showEvidenceStep(step: number): Promise<ShellView>;
  /** A request in the evidence that is open: what would be signed, and who can here. */
  evidenceRequest(planHash: string): Promise<RequestFileView>;
  /** Signs an answer to a request in the evidence that is open, and writes it to a file for whoever asked. */
  answerEvidenceRequest(planHash: string, digest: string, sign: SignRequest, output: string): Promise<SignedView>;
  /** How two archives differ by what they mean, and how far each may be believed. */
  compareEvidence(left: string, right: string, named: NamedKeys): Promise<EvidenceDiffView>;
  chartSvg(fleet: string, chart: Chart, node: string | null): Promise<string>;
  painted(ms: number): Promise<void>;
  /** Whether somebody can see the window: sweeps are slower where nobody can. */
  visible(visible: boolean): Promise<void>;
  quit(): Promise<void>;
  /** Hears what changed; the promise resolves to the way to stop listening. */
  onTopics(heard: (topics: Topic[]) => void): Promise<() => void>;
  /** Hears which file somebody dropped onto the window. */
  onDropped(heard: (path: string) => void): Promise<() => void>;
  /** Hears which notification of the desktop somebody clicked. */
  onClicked(heard: (about: AboutView) => void): Promise<() => void>;
}

/** Whatever a call throws, as an error with a sentence and a hint. */
export function appError(thrown: unknown): AppError {
  if (typeof thrown === 'object' && thrown !== null && 'code' in thrown && 'message' in thrown) {
    const known = thrown as AppError;
    return { code: known.code, message: String(known.message), hint: known.hint ?? '' };
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return { code: 'other', message, hint: 'Try again; if it stays, restart Plumbline.' };
}
