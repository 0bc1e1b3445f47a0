//! What a dialog asks for before a word goes to a run, and the word that it becomes.
import type { RunbookWord, WaitingView } from '$lib/api/api';

/** What somebody wants to say to a run. */
export type Wanted = { want: 'give' | 'decide' | 'settle' | 'skip'; waiting: WaitingView } | { want: 'roll_back' | 'abort' | 'pass_freeze' };

export interface WordForm {
  text: string;
  choice: string;
  group: string;
  by: string;
  /** Whoever says it says that they belong to the group. */
  isOne: boolean;
}

export interface WordShape {
  title: string;
  verb: string;
  danger: boolean;
  /** What it comes to, in a sentence. */
  says: string;
  /** Label of the text that has to be written; nothing where none has. */
  field: string | null;
  choices: { key: string; word: string }[];
}

const DECISIONS: Record<string, { word: string; verb: string; field: string | null; danger: boolean }> = {
  again: { word: 'Do the step once more', verb: 'Once more', field: null, danger: false },
  skip: { word: 'Leave the step out', verb: 'Leave it out', field: 'Why', danger: false },
  roll_back: { word: 'Take back what was changed', verb: 'Roll back', field: 'Why', danger: true },
  abort: { word: 'End the run where it stands', verb: 'Abort the run', field: null, danger: true },
};
const SETTLEMENTS = [
  { key: 'yes', word: 'It did happen' },
  { key: 'no', word: 'It did not happen' },
];
const BACK = 'Everything that was changed is taken back, the newest first, by the ways back that the document names. A freeze is lifted after them.';
const END = 'What is under way is finished, nothing further begins, and nothing is taken back. The run cannot be gone on with.';

/** What is asked for. */
export function wordShape(wanted: Wanted, choice: string): WordShape {
  const shape = (rest: Partial<WordShape>): WordShape => ({ title: '', verb: '', danger: false, says: '', field: null, choices: [], ...rest });
  switch (wanted.want) {
    case 'roll_back':
      return shape({ title: 'Roll the run back', verb: 'Roll back', danger: true, says: BACK, field: 'Why' });
    case 'abort':
      return shape({ title: 'Abort the run', verb: 'Abort the run', danger: true, says: END });
    case 'pass_freeze':
      return shape({ title: 'Do not wait for the freeze', verb: 'Pass the safeguard', danger: true, says: 'Others were told that the fleet freezes later, and may still be changing it. The bypass stands in the journal, and is shown in red as long as the run is shown.', field: 'Why' });
    case 'skip':
      return shape({ title: `Skip: ${wanted.waiting.title}`, verb: 'Skip the step', says: 'The runbook allows it.', field: 'Why' });
    case 'settle':
      return shape({ title: `Settle: ${wanted.waiting.title}`, verb: 'Settle', says: 'It may or may not have happened. Look at the thing itself, then say what you found; it is never sent again.', field: 'How you know', choices: SETTLEMENTS });
    case 'decide': {
      const choices = wanted.waiting.choices.map((key) => ({ key, word: DECISIONS[key]?.word ?? key }));
      const one = DECISIONS[choice];
      return shape({ title: `Failed: ${wanted.waiting.title}`, verb: one?.verb ?? 'Decide', danger: one?.danger ?? false, says: choice === 'roll_back' ? BACK : choice === 'abort' ? END : '', field: one?.field ?? null, choices });
    }
    case 'give':
      return given(wanted.waiting, shape);
  }
}

function given(waiting: WaitingView, shape: (rest: Partial<WordShape>) => WordShape): WordShape {
  const { title } = waiting;
  switch (waiting.what) {
    case 'answer':
      return shape({ title, verb: 'Answer', field: waiting.choices.length > 0 ? null : waiting.wanted === null ? 'Answer' : `Answer: ${waiting.wanted}` });
    case 'attestation':
      return shape({ title: `Attest: ${title}`, verb: 'Attest', field: 'What you saw' });
    case 'announcement':
      return shape({ title: `Announce: ${title}`, verb: 'It is announced', field: 'Where you announced it' });
    case 'approval':
      return shape({ title: `Approve: ${title}`, verb: 'Approve', says: 'Whoever runs it does not approve it, and each group takes another person.' });
    default:
      return shape({ title: `Confirm: ${title}`, verb: 'Carry it out', danger: waiting.phrase !== null, says: 'Exactly this plan is carried out, as a run of its own with its own way back.', field: waiting.phrase === null ? null : `Type ${waiting.phrase} to carry it out` });
  }
}

/** Whether a word takes a signature: where a roster rules the fleet, and somebody in particular has to give it. */
export const mustSign = (waiting: WaitingView, ruled: boolean): boolean => ruled && waiting.groups.length > 0 && (waiting.what === 'approval' || waiting.what === 'answer' || waiting.what === 'attestation');

/** What is still missing, in a sentence. */
export function missingWord(wanted: Wanted, form: WordForm, ruled: boolean): string | undefined {
  const waiting = 'waiting' in wanted ? wanted.waiting : null;
  const { field, choices } = wordShape(wanted, form.choice);
  if (wanted.want === 'give' && waiting?.phrase) return form.text === waiting.phrase ? undefined : `Type ${waiting.phrase} first.`;
  if (choices.length > 0 && !choices.some((one) => one.key === form.choice)) return 'Choose first.';
  if (field !== null && form.text.trim() === '') return `${field === 'Why' ? 'Write the reason' : 'Write it down'} first.`;
  if (wanted.want !== 'give' || waiting === null || waiting.groups.length === 0) return undefined;
  const approves = waiting.what === 'approval';
  // The key says who it is, and the roster which groups they are in.
  if (mustSign(waiting, ruled)) return undefined;
  if (approves && form.by.trim() === '') return 'Write the name of whoever approves: it is not whoever runs it.';
  return form.isOne ? undefined : 'Say that you belong to the group.';
}

/** The word as it is sent. */
export function wordOf(wanted: Wanted, form: WordForm): RunbookWord {
  const text = form.text.trim();
  switch (wanted.want) {
    case 'roll_back':
      return { word: 'roll_back', reason: text };
    case 'abort':
      return { word: 'abort' };
    case 'pass_freeze':
      return { word: 'pass_freeze', reason: text };
    case 'skip':
      return { word: 'skip', step: wanted.waiting.step, reason: text };
    case 'settle':
      return { word: 'settle', step: wanted.waiting.step, happened: form.choice === 'yes', note: text };
    case 'decide':
      return decision(wanted.waiting.step, form.choice, text);
    case 'give': {
      const { step, what, phrase, plan, choices } = wanted.waiting;
      if (what === 'answer') return { word: 'answer', step, answer: choices.length > 0 ? form.choice : text };
      if (what === 'approval') return { word: 'approve', step, group: form.group };
      if (what === 'confirmation') return { word: 'confirm', step, plan: plan ?? '', typed: phrase === null ? null : form.text };
      return { word: 'attest', step, note: text };
    }
  }
}

function decision(step: string, choice: string, text: string): RunbookWord {
  if (choice === 'again') return { word: 'again', step };
  if (choice === 'skip') return { word: 'skip', step, reason: text };
  return choice === 'roll_back' ? { word: 'roll_back', reason: text } : { word: 'abort' };
}
