/** The package has no types of its own; this is what the page uses of it. */
declare module "swagger-ui-dist/swagger-ui-es-bundle.js" {
  export default function SwaggerUI(options: {
    spec: object;
    domNode: Element | null;
    docExpansion: "list";
    defaultModelsExpandDepth: number;
    displayRequestDuration: boolean;
    persistAuthorization: boolean;
    validatorUrl: null;
    onComplete: () => void;
  }): void;
}
