# Masked-LM pre-training of students, once for each corpus and size.


rule pretrain:
    input:
        data=lambda w: PATHS.corpus_inputs(w.corpus),
        # It must be there, but a new date on it is no reason to train again.
        audit=ancient(PATHS.audit),
    output:
        PATHS.results / "pretrained/{corpus}/{layers}-{hidden}/record.json",
    log:
        LOGS / "pretrain/{corpus}.{layers}-{hidden}.log",
    benchmark:
        BENCHMARKS / "pretrain/{corpus}.{layers}-{hidden}.tsv"
    wildcard_constraints:
        layers=r"\d+",
        hidden=r"\d+",
    priority: lambda w: JOBS.priority("pretrain", f"{w.corpus}.{w.layers}.{w.hidden}")
    conda:
        "../envs/pdbench.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=1440,
    params:
        study=ARGUMENT,
        spec=lambda w: JOBS.pretrain_spec(w.corpus, f"{w.layers}/{w.hidden}"),
    message:
        "pre-train {wildcards.layers}/{wildcards.hidden} on {wildcards.corpus}"
    # `exec`: a signal that ends the job reaches the program, which then saves its state.
    shell:
        "exec pdbench pretrain {params.study:q} {wildcards.corpus}"
        " {wildcards.layers}/{wildcards.hidden} --threads {threads} > {log} 2>&1"
