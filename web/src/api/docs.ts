/** The page about the API: Swagger UI on this server's description, and what each problem means. */

import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import "swagger-ui-dist/swagger-ui.css";
import "./docs.css";

interface Problem {
  type: string;
  title: string;
  status: number;
  meaning: string;
}

const DESCRIPTION = new URL("openapi.json", window.location.href);

/** Lists what a problem may be; each has the address that its `type` leads to. */
function showProblems(problems: readonly Problem[]): void {
  const list = document.querySelector("#problems dl")!;
  for (const { type, title, status, meaning } of problems) {
    const term = document.createElement("dt");
    term.id = type.slice(type.indexOf("#") + 1);
    term.textContent = `${status} ${title}`;
    const explanation = document.createElement("dd");
    explanation.textContent = meaning;
    list.append(term, explanation);
  }
  document.querySelector<HTMLElement>("#problems")!.hidden = false;
}

/** Goes where the address leads: what that names was not there when the page was loaded. */
function followAddress(): void {
  document.querySelector("#problems .named")?.classList.remove("named");
  const named = document.getElementById(decodeURIComponent(window.location.hash.slice(1)));
  named?.classList.add("named");
  named?.scrollIntoView();
}

async function show(): Promise<void> {
  const response = await fetch(DESCRIPTION);
  const spec = (await response.json()) as { "x-problems": Problem[] };
  SwaggerUI({
    spec,
    domNode: document.querySelector("#operations"),
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    persistAuthorization: false, // a token stays in this page, and goes with it
    validatorUrl: null, // nothing leaves for elsewhere
    onComplete: followAddress,
  });
  showProblems(spec["x-problems"]);
}

window.addEventListener("hashchange", followAddress);
void show();
