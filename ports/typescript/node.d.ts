/** As much of Node as the program uses. */
declare const process: {
  argv: string[];
  exitCode: number;
  stdin: AsyncIterable<Uint8Array>;
  stdout: { write(text: string): void; on(event: 'error', handle: (problem: { code: string }) => void): void };
  stderr: { write(text: string): void };
  exit(code: number): never;
};

declare class TextDecoder {
  constructor(encoding: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  decode(bytes?: Uint8Array, options?: { stream: boolean }): string;
}
