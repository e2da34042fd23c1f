# One table of all runs, one file or page for each artefact, and the report.


rule collect:
    input:
        JOBS.results_files,
        PATHS.imported,
    output:
        PATHS.table,
    log:
        LOGS / "collect.log",
    benchmark:
        BENCHMARKS / "collect.tsv"
    priority: JOBS.priority("collect")
    localrule: True
    conda:
        "../envs/pdbench.yaml"
    params:
        study=ARGUMENT,
        # A function: it is worked out for this job alone, not for those that only read the workflow.
        spec=lambda w: JOBS.results_spec(),
    message:
        "collect all runs"
    shell:
        "pdbench collect {params.study:q} > {log} 2>&1"


rule figure:
    input:
        PATHS.artefact_inputs(),
    output:
        PATHS.artefact("{artefact}", "figure"),
    log:
        LOGS / "artefact/{artefact}.log",
    benchmark:
        BENCHMARKS / "artefact/{artefact}.tsv"
    wildcard_constraints:
        artefact="|".join(STUDY.artefacts),
    priority: JOBS.priority("figure")
    localrule: True
    conda:
        "../envs/pdbench.yaml"
    params:
        study=ARGUMENT,
        spec=lambda w: JOBS.artefact_spec(w.artefact),
    message:
        "draw {wildcards.artefact}"
    shell:
        "pdbench artefact {params.study:q} {wildcards.artefact} > {log} 2>&1"


use rule figure as table with:
    output:
        PATHS.artefact("{artefact}", "table"),
    priority: JOBS.priority("table")


for artefact in STUDY.artefacts:

    rule:
        name:
            artefact
        input:
            PATHS.artefact(artefact),
        localrule: True


# It succeeds whatever it finds, so that its files are kept; `check` fails.
rule gate:
    input:
        PATHS.gate_inputs,
    output:
        **PATHS.gate,
    log:
        LOGS / "gate.log",
    benchmark:
        BENCHMARKS / "gate.tsv"
    priority: JOBS.priority("gate")
    localrule: True
    conda:
        "../envs/pdbench.yaml"
    params:
        study=ARGUMENT,
        spec=JOBS.report_spec(),
    message:
        "check for regressions"
    shell:
        "pdbench check --study {params.study:q} --exit-zero --json {output.json}"
        " --junit {output.xml} --markdown {output.md} > {log} 2>&1"


# Without a gate block it needs nothing, and says so before anything is trained.
rule check:
    input:
        [*PATHS.gate_inputs, *PATHS.gate.values()] if STUDY.gate else [],
    log:
        LOGS / "check.log",
    benchmark:
        BENCHMARKS / "check.tsv"
    priority: JOBS.priority("check")
    localrule: True
    conda:
        "../envs/pdbench.yaml"
    params:
        study=ARGUMENT,
    message:
        "refuse regressions"
    shell:
        "pdbench check --study {params.study:q} > {log} 2>&1 && code=0 || code=$?;"
        " cat {log}; exit $code"


rule report:
    input:
        PATHS.report_inputs,
    output:
        PATHS.index,
    log:
        LOGS / "report.log",
    benchmark:
        BENCHMARKS / "report.tsv"
    priority: JOBS.priority("report")
    localrule: True
    conda:
        "../envs/pdbench.yaml"
    params:
        study=ARGUMENT,
        spec=JOBS.report_spec(),
    message:
        "write the report"
    shell:
        "pdbench report {params.study:q} > {log} 2>&1"


# What failed is missing in this report, which stands apart: the next run takes it for nothing.
onerror:
    shell(
        "mkdir -p {LOGS}; page=$(pdbench report {ARGUMENT:q} --partial 2> {LOGS}/partial.log)"
        ' && echo "The report of what there is: $page" >&2 || true'
    )
