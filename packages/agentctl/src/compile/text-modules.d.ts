/** Templates, which the bundler turns into their text. */
declare module "*.hbs" {
  const text: string;
  export default text;
}
