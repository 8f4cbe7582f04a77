/** What one state of the page shows. */
export interface View {
  /** The document's title. */
  readonly title: string;
  readonly sections: readonly HTMLElement[];
}
