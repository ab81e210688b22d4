// The form of changelogs: the text of each changeset, then the packages that are updated with it. Changesets' own form adds a
// commit to each text, and a line without any text for each changeset of a dependency.
import withCommits from "@changesets/cli/changelog";

export default {
  getReleaseLine: (changeset) => withCommits.getReleaseLine({ ...changeset, commit: undefined }),
  getDependencyReleaseLine: (changesets, updated) => withCommits.getDependencyReleaseLine([{}], updated),
};
