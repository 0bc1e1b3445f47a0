//! Help topics and how they are searched.

export interface Topic {
  key: string;
  title: string;
  text: string;
}

const ORDER = ['getting-started', 'keys', 'drift-states', 'decisions', 'actions', 'rollouts', 'runbooks', 'approvals', 'journal', 'history', 'evidence', 'fleet-file', 'credentials', 'command-line', 'agent', 'policy-packs', 'opa-sidecar', 'hub', 'metrics', 'troubleshooting'];

const rank = (key: string): number => (ORDER.indexOf(key) + ORDER.length + 1) % (ORDER.length + 1);

/** Topics from markdown files by path, in the order they are read. */
export function topics(files: Record<string, string>): Topic[] {
  return Object.entries(files)
    .map(([path, text]) => ({ key: path.replace(/^.*\//, '').replace(/\.md$/, ''), title: /^#\s+(.+)$/m.exec(text)?.[1] ?? path, text }))
    .sort((a, b) => rank(a.key) - rank(b.key) || (a.title < b.title ? -1 : 1));
}

export interface Found {
  topic: Topic;
  /** The line in which it was found, for topics found by their text. */
  line: string | null;
}

const plain = (line: string): string => line.replace(/^\s*([-*]|\d+\.)\s+/, '').replace(/[#*`|>]/g, '').replace(/\[([^\]]+)\]\([^)]*\)/g, '$1').replace(/\s+/g, ' ').trim();

/** Topics that hold every word, those with a word in the title first. */
export function search(all: readonly Topic[], typed: string): Found[] {
  const words = typed.toLowerCase().split(/\s+/).filter((word) => word !== '');
  if (words.length === 0) return all.map((topic) => ({ topic, line: null }));
  const titled = (topic: Topic): boolean => words.some((word) => topic.title.toLowerCase().includes(word));
  return all
    .filter((topic) => words.every((word) => topic.text.toLowerCase().includes(word)))
    .toSorted((a, b) => Number(titled(b)) - Number(titled(a)))
    .map((topic) => {
      const lines = topic.text.split('\n').slice(1).filter((line) => !/^\s*\|?[-|\s]*$/.test(line));
      const line = lines.find((text) => words.some((word) => text.toLowerCase().includes(word)));
      return { topic, line: line === undefined ? null : plain(line) };
    });
}
