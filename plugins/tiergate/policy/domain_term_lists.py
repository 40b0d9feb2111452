"""The lists of `domain_terms`: * stands for any ending, `_` joins the words of a phrase."""

from typing import Final

FINANCE: Final = """
401k 403b 529_plan aandelen abschreib* absetzbar* absetzen acciones_de account_balance accountancy accountant
accountants accounting accounts_payable accounts_receivable accrual* accruals accruals_and accrued actions_en_bourse
actuar* aer afford aflossen aflossing* ahorr* air_miles_card akcje aktie* altcoin* amortis* amortiz* anleihe*
annual_bonus annual_coupon annuit* anzahlung* aposentad* apr apy argent arrears asset_allocation assurance-vie
assurance_vie atm audit_committee auditor auditors autónomo* aval_bancario azioni ações bachat bafög bailiff*
balance_sheet* balance_transfer* bank_account* bank_card* bank_charge* bank_loan* bank_reconciliation bank_statement*
bank_transfer* banker bankers banking bankrekening* bankrupt* banque base_rate basis_point* basis_points
bausparvertrag* beema begroting* belasting* beleggen belegging* bereitstellungszins* betriebsrente* bid-ask bijverdien*
bilan bilancio bilanz* bitcoin* black-scholes boekhoud* bokför* boleto* bolån bond_yield* bonifico* bonus_back
bonus_payment bookkeep* borrow borrower* borç* break-even breakeven broker_fee* brokerage btw buchhalt* buchung*
budget_deficit budget_familial budget_for budgeting budżet* bulletin_de_paie bursar bursary busta_paga byaj bénéfice*
börse* bürgergeld* cac call_option* call_parity can't_afford cap_table* capex capital_gains car_insurance carbon_tax
cargo_de cartão_de_crédito cash_advance cash_flow* cash_in_hand cash_isa cashback cashflow* cashpoint central_bank* cfd
cfds chargeback* chart_of_accounts chartered_accountant checking_account* chiffre_d'affaires child_benefit
childcare_costs churn_rate circular_reference_in_the_model closing_costs cnpj co-pay co-sign co-signed co-signer
collections_agency college_fund commercialista* commission_on compound_interest compound_returns comptab*
conta_corrente contabil* contactless_payment* conto_corrente controller_report copay corporate_bond* cosign cosigned
cosigner cost_accounting cost_basis cost_center* cost_centre* cost_of_living council_tax coupon_rate covenant_headroom
cpa credit_card* credit_default credit_history credit_limit* credit_line credit_note* credit_rating credit_report*
credit_score* credit_spread* credit_union creditor* crowdfund* crypto cryptocurrenc* crédit* cuenta_corriente
cuota_de_autónomos current_account* customs_duty darlehen* dauerauftrag* day_rate daycare_costs dcf debit_card* debt
debtor* debts declaración_de_la_renta deductible deductibles deferred_tax defi deposit_back depot* depreciat*
derivatives_desk dette* deuda* devis dichiarazione_dei_redditi dinero dinheiro direct_debit* direct_deposit
disability_benefit* discount_rate discounted_cash dispo dispokredit* divida dividend* doge dogecoin dollar_cost
domicili* double-entry double_entry dow_jones down_payment downpayment dti déclaration_de_revenus découvert* dívida*
döviz dług* early_retirement earnings_call earnings_per ebit ebita ebitda eigenkapital* electricity_bill elster
elterngeld* emekli* emergency_fund emerytur* emi emprunt* empréstimo* ends_meet energy_bill* epf equities
equity_release equity_stake erbschaftsteuer* erspart* escrow espp estate_planning estate_tax etf etfs ethereum euribor
ev/ebitda exchange_rate* expense_report* expenses external_audit f24 factur* factuur* fafsa fair_value faiz* faktur*
fattur* fatura* festgeld* fico fifo finance finances financial financial_adviser* financial_advisor* financial_aid
financial_budget financial_covenant* financial_planning financially financier* financing finanz* finiquito fintech fisc
fiscal* fiscal_policy fixed_rate foreclos* foreign_currency forex fraudulent_charge* freelance_rate freibetrag*
freistellungsauftrag* fsa_account ftse fundrais* future_value futures_contract* fx gaap gambling_debt* gas_bill gbp
gehalt* general_ledger gewinn gig_income gilts girokonto* going_concern golden_handcuffs goodwill_impairment
government_bond* grant_application grocery_budget gross_margin* gross_pay gross_profit gross_salary gst gst_return
guarantor* guidance_for_q hacienda hard_up haushaltskasse* health_insurance hedge_accounting hedge_fund* heloc helocs
hidden_fee* hifo hipoteca* hipotecz* hipotek* hmrc hodl home_insurance hospital_bill* hourly_rate house_fund
household_budget household_finances housing_benefit hsa huurtoeslag* hypotheek* hypothek* hypothèque* iban
identity_theft ifrs import_duty imposta imposte imposto* impuesto* impôt* in_collections in_debt in_dollars in_euros
incasso* income_inequality income_tax indebted* index_fund* index_tracker inflation_rate inheritance_money
inheritance_tax inkasso* insolven* inss installment installments instalment instalments insurance_claim*
insurance_premium* intereses interessi interest_only interest_rate* internal_audit internal_rate interés_compuesto
inversiones inversión invertir invest invested investimenti investimento investire investissement* investment
investments investor* invests invoic* inwest* ira iras irpef irpf irr isa isas iva jaarrekening* joint_account*
journal_entries journal_entry jubila* juros k-1 karz karza kindergeld* kist klarna kleinunternehmer* konto_bankowe
kontostand* kredi kredit* kredyt* kryptow* księgow* lastschrift* late_fee* lbo lbos ledger ledgers lend lender lenders
lending lends lening* leverage_ratio life_insurance limit_order line_of_credit living_paycheck livret livret_a lmnp
loan loan_shark* loan_term loans lohn* loon loonstrook* lottery_win* loyalty_points loyer* ltv lump_sum maaş* mahnung*
make_ends_meet make_money making_money management_fee* margin_call* mark-to-market markup_on medical_bill*
mehrwertsteuer* mei mensualité* minimum_payment* minimum_wage modified_duration moms monetary monetary_policy
money_back money_management money_market money_order* money_saved money_transfer* monthly_budget morgage* mortgag* mrr
muhasebe* mutual_fund* mutuo mwst nasdaq national_debt nebenkosten* neobank nest_egg net_income net_pay
net_present_value net_profit net_salary net_worth nft nivesh nomina nota_fiscal npv nómina* obligacj* obligation_d'état
odsetk* operating_cash operating_income operating_margin opex oprocentowan* option_pool option_premium order_book
orçamento oszczędn* out_of_money overboek* overdraft* overdrawn overdue_bill* overtime_pay owe owed owes owing p/e p11d
p45 p60 pagamento pago pagos paid_off paie paisa paise parcela* partita_iva pawn_shop pawnbroker* pawned pay_back
pay_check pay_day pay_my_bill* pay_off pay_packet pay_raise pay_rent pay_rise pay_slip pay_the_bill payables paycheck*
paycheque* payday payday_loan* paydays paye paying_back paying_off paying_rent payout payout_of_the payouts paypal
payroll payslip* pea_plafond pensioen* pension* pension_alimentaire pensión pensj* perpetuity personal_finance
petty_cash phishing_payment phone_bill pieniąd* pieniędzy pin_number plazos pocket_money podatek* podatk* policyholder*
ponzi poupanca poupança* pożyczk* ppf premium_bond* prepaid_card prepayment* present_value prestamo* prestações
prestito* presupuest* pretax price_increase* price_per_unit pricing_strategy prime_d'activité pro_rata
procurement_budget profit_and_loss property_tax provident_fund provisions przelew* prélèvement* préstamo*
prêt_immobilier prêt_étudiant public_debt purchase_order* put-call_parity put_option* pyramid_scheme*
quarterly_earnings quote_for_work rabattsatz* rainy_day rate_cut rate_del_mutuo rate_hike rate_of_return raten
ratenzahlung* rebalanc* receivable receivables rechnung rechnungen rechnungs* reconcile_the reconciliation
redundancy_pay refinanc* reimburse* reinsur* reit reits rekening rembours* remittance* remortgag* rent_arrears
rent_increase rent_payment* rental_income rental_yield rente renten* repaid repay repayment* repays repo_rate
repossess* restricted_funds retirees retirement retiring retraite* revenues reverse_mortgage revolut riester* risparmi*
rmd rmds roe roi roic roth routing_number rsu rsus runway rupaye ränta rücklage* rückstellung* s&p salaire* salaries
salario* salaris* salary sales_tax salário* save_money saving_money savings savings_account savings_pot scam scammed
scammer* scams scholarship* school_fees schufa* schuld* scpi seed_round self_assessment selic sell_in_may
sell_the_rental send_money sending_money series_a series_b service_charge* severance_pay share_price* shares_in
sharpe_ratio short_selling short_squeeze side_hustle side_income simple_interest sipp skatt* skint skonto* skuld* soldi
sort_code spaargeld* spaarrente* sparande* sparen sparkasse* sparkonto* sparplan* spend_money spending_plan
split_the_bill ssi_benefit* stablecoin* staking_rewards stamp_duty standard_cost standing_order* statement_balance
statutory_sick_pay steuer* stipend* stock_market stock_option* stockbrok* stocks_and_shares stop-loss stop_loss
strike_price student_loan* subvención* sueldo* superannuation swaption* swift_code tagesgeld* take-home_pay
take_home_pay tankhwah tarjeta tarjeta_de_crédito taschengeld* taux_d'intérêt tax tax-deductible tax-efficient tax-free
tax_audit tax_bill tax_bracket* tax_code* tax_credit* tax_deductible tax_evasion tax_free tax_haven* tax_refund*
tax_relief tax_return* tax_year taxable taxation taxe_d'habitation taxe_foncière taxed taxes taxpayer* term_sheet*
tesouro tesouro_direto tfr three_statement_model tilgen tilgung* tip_income toeslag* transfer_pricing transferencia*
treasurer treasury_bill* treasury_bond* trial_balance trust_fund* trésorerie tuition_fee* turnover_of tva ucits udhaar
uitkering* umbrella_cover umbrella_policy umsatz* umschuld* unauthorised_charge* unauthorised_transaction*
unauthorized_charge* unauthorized_transaction* uncle_sam underwriter* underwriting unemployment_benefit* unit_cost
unit_economics unitranche universal_credit unpaid_bill* urssaf ust utility_bill* value_at_risk valued_at variable_rate
variance_analysis vat_number vat_rate vat_return venmo verbuch* vergi* versicherungsprämie* vesting virement*
volatility_smile w-2 w-4 w2 w4 w9 wacc wage wages wash-sale wash_sale* water_bill wealth_tax wechselkurs*
wedding_budget welfare_payment* windfall_tax wire_transfer* wohngeld* working_capital worth_of write_off write_offs
written_off wynagrodz* währung* yield_curve yield_spread yield_to_maturity zaksięg* zelle zero-coupon zins zinsen
zinseszins* zinssatz* zus zzp épargn* überweis* überzieh* акци* банк* бухгалт* бюджет* вклад* деньг* дивиденд* долг*
доллар* евро задолж* зарплат* инвест* ипотек* комисси* кредит* курс_валют* налог* ндс ндфл облигац* пенси* перевод*
процентн* рубл* ставк* страховк* счет счёт*
"""

LEGAL: Final = """
aangifte aansprakelijk* abfindung* abmahn* abogad* abusive_clause accident_claim accused_of actus_reus ada_compliance
adalat adhikaar adhikar admissib* adopt_my adoption_papers adoption_process adverse_possession advocaat* advogad*
advokat* adwokat* affidamento affidavit* affitto_contratto against_the_law agb airline_compensation alimen* alimony
alquiler_contrato amende amendes amicus_brief aml amtsgericht* antitrust anwalt* anwält* anzeige apelacj* apostille*
appeal_a_decision appeal_against appeal_deadline appeal_the_decision appeals_court appellant* appellate
arbeidsovereenkomst* arbeitgeber_verpflichtet arbeitsrecht* arbeitsvertrag* arbitrat* arraign* arrendad* arrendatari*
arrest_warrant* arrested arrested_for articles_of_association articles_of_incorporation assault_charge*
assignment_clause asyl* at-will attorney attorney-client attorney_client attorneys aufenthaltserlaubnis*
aufenthaltstitel* aviso_prévio avocat* avtal* avukat* avvocat* bail bailed bailleur bar_exam barred_by barrister*
behörde* beklagt* bench_trial beneficiaries beroep berufung* bescheid* betriebsrat* bezwaar* bgb bgh bill_becomes
binding_agreement bluebook blutalkohol* boete* border_control_rights boundary_dispute* boşanma* breach_notification
breach_of breach_of_contract breached break_clause break_the_lease breathalys* bribery* building_code building_permit*
building_regulations burden_of_proof burglary bußgeld* bverfg by-law* by_law byelaw* bylaw* böter caparra cartel*
carve-out_in_the case_law caught_with causa_civile caução cc&rs ccpa cease_and_desist certiorari chain_of_custody
charged_with charter_rights child_maintenance child_support choice_of_law cidadania circumstantial_evidence
citizenship* cittadinanza civil_code civil_law civil_partnership civil_rights cjeu claim_construction claimant*
class_action* clause* clause_in clausol* clausule* client_confidentiality climate_neutral_claim cláusula*
co-signed_lease co-tenant* codicil* collective_agreement common-law_marriage common_law community_property compensation
compensation_claim* competition_law confidentiality_agreement confidentiality_clause conscientious_objector
consent_form* consideration_for_the consideration_in_contract constitutional* constitutional_court
constructive_dismissal consumer_law consumer_protection consumer_rights contempt contest_a_will contest_the_will
contract contract_law contract_of_employment contracts contractual contractually contrat* contravention* conveyanc*
convict convicted cookie_consent cooling-off cooling_off coppa copyright* copywrit* copywrite corruption_act
county_court court court_case* court_date court_decision* court_of_appeal court_order* court_ruling* court_summons
courthouse* courtroom* courts covenant covenants creative_commons criminal_charge* criminal_code criminal_law
criminal_offence* criminal_record* cross-examin* custodia* custody_agreement custody_battle custody_hearing daca
dagvaard* damages_for darf_der_vermieter darf_mein darowizn* data_breach* data_controller data_processing
data_protection data_retention_law data_subject datenschutz* dava* defam* defendant* deletion_request delito*
demand_letter* demanda demandado* demandar demiss* denied_boarding denuncia* depo deport* deposition* depositions
derecho* derivative_work* desahuci* desaloj* design_right* despedid* despejo* despid* diffamation diffida* direito*
diritti diritto disciplinary_hearing discriminat* disinherit* dismissal divorc* divorzi* divórcio* dmca dog_bite*
domstol* double_jeopardy dowod dpa dpia dpo drink_driving droit_de droit_du_travail drunk_driving dsgvo due_process dui
duress duty_of_care dwi dworkin délai_de_rétractation dürfen_die e-discovery early_termination easement* echar_del_piso
echr echtscheid* eidesstattlich* eigenbedarf* einbürger* einspruch* eksmisj* employment_contract* employment_law
employment_tribunal enduring_power enforceab* enforcement_notice equal_pay equal_treatment equality_act erbe erben
erbrecht* erbschaft* erede eredit* erfenis* erfgenaam* estate_of_the estoppel eta_visa eu261 eula evict* evidence_act
exclusion_appeal executrix expulsion* extradit* extranjería eyewitness_testimony fahrverbot* fair_dealing fair_use
false_advertising family_reunification fan_art_rights fault_in_the_accident fcpa felony fence_line fianza fiduciar*
file_rti final_notice fine_appeal fine_print finiquito* firearm_licence fired_for fired_without first_amendment
fixed-term_contract fixed_penalty flensburg flight_compensation foi_request foia food_licence force_majeure
forced_heirship formal_notice fourth_amendment freedom_of_information freedom_to_operate freehold* fundamental_rights
führerschein* garantie_légale garantieanspruch* garanzia_legale garde_alternée garde_des_enfants gdpr gdpr-compliant
gdpr_compliant gericht* gesetz* gewährleist* giudice go_to_court governing_law gpl grand_jury green_card green_claims
grievance_procedure guardianship* guilty_plea gun_licence h-1b h1b habeas_corpus haften haftet haftung* handshake_deal
harcèlement* hart_and_dworkin health_and_safety_law hearing_date hearsay heirs_of herança* herdeiro* heredero*
herencia* high_court hipaa hit_and_run hoa hoas housemate_on_the_lease huisuitzetting* hukuk* human_right human_rights
huurcontract* huurder* hyresgäst* hyresvärd* héritage héritier* i-130 i-485 ilegal* illegal* illégal* image_rights
immigrant* immigration* impressum* in_breach indemnif* indemnit* indemnizaci* indemnizaç* indenizaç* indict* infring*
inheritance_law injunct* injured_at_work inquilin* intellectual_property intestacy intestat* inventorship jamanat
joint_custody joint_venture_agreement judicial_review juez jueza juge jugement* juicio* juiz juridisch* jurisdiction
jurisprudence juror* jury_duty jury_service jurys juzgado* kanoon kanooni kanooni_haq kanun* kirac* kirayedar klage*
klausel* kläger* kyc kündig* l1_visa labor_law labour_law lagligt laid_off landlord* larceny last_will law_firm
law_review law_school law_student lawful* lawsuit* lawyer* lease leasehold* leases leave_to_remain legal* legal_action
legal_advice legal_aid legal_compliance legal_memo legal_notice legal_opinion legal_rights legally_binding legge leggi
legislat* legislative_intent legitimate_interest* lemon_law lessee* lessor* letter_before_action letter_before_claim
letter_of_demand letter_of_intent leyes lgpd liabilit* liable libel* licence_revoked licence_terms licence_to_operate
licenci* license_terms licensee* licensing_agreement licensor* licenziament* licenziar* lien liens limitation_act
limitation_of_liability limitation_period liquidated_damages liquor_licence liquor_license lis_pendens listed_building
litigat* litigious living_trust living_will ll.m locador* locataire* locatore locatário* lois lost_luggage_claim lpa
lsat légal* magistrate* mahkeme* makan_malik make_a_will malpractice mandat_za manslaughter marital_property
markenrecht* maternity_leave medical_malpractice memorandum_of_understanding mens_rea merger_control mes_droits mieter
mieterhöh* mietrecht* mietvertrag* military_draft miranda_rights miras* misdemean* mise_en_demeure
misleading_advertising misrepresent* mistrial mit_license model_release moot_court moral_rights mukadma multa* multe
mutual_assent my_contract my_rights my_will nacionalidad najem najemc* naturalis* naturaliz* nda ndas negligen*
neighbor's_tree neighbour's_tree next_of_kin noise_complaint* noise_ordinance non-compete non-disclosure non-payment_of
non-solicit* non_disclosure noncompete not_guilty notaio notaire* notar* notary_public notice_of_termination
notice_period notice_to_quit novation o-1 oath_of_office obiter_dicta occupiers'_liability odszkodowan* odwołan*
odwołać offer_and_acceptance ombudsman* ontslag* open_source_license operating_licence opiek* opzeg* oral_agreement
oral_contract organ_donor_card osha our_rights overhanging_branch* overstay* overtime_law paragraf* paralegal*
parental_leave_rights parking_fine* parking_ticket* parole* party_wall patent patent_claim* patent_pending patentab*
patents paternity_leave paternity_test patria_potestad pena_de penal_code penalty_clause penalty_notice penalty_points
perjur* permesso_di_soggiorno permiso_de_residencia personal_data_request personal_injury personal_liability
pflichtteil* piercing_the_corporate plainte* plaintiff* planning_appeal* planning_law planning_objection
planning_permission plant_variety plea_bargain* plea_deal poa police_officer* police_report* police_search
police_station police_stop* policj* polizei* porter_plainte portrait_rights power_of_attorney pozew* pozwa* prawn*
prawo preaviso preavviso precedent* premises_liability prenup* press_charges pressing_charges presumption_of_innocence
prima_facie prior_art privacy_notice privacy_policy privilege_log privileged_communication pro_bono probate probation*
probation_period processar processo_judicial procon procurement_law product_liability promille propriétaire prosecut*
prud'hommes prudhommes préavis préfecture public_domain public_liability pulled_over punitive_damage* queixa*
quels_sont_mes_droits querela* quiet_enjoyment radca_prawny ratio_decidendi read_the_will reagrupación*
reasonable_adjustment* reasonable_doubt reati reato recedere recesso recht_op rechtbank* rechten rechter rechtlich*
rechtsanwalt* rechtsschutz* rechtswidrig* rechtszaak* reclamación* recorrer recurrir refugee_status refund_rights
regulatory regulatory_compliance reklamacj* rent_control res_judicata rescind* rescis* residence_card residence_permit*
residency_permit* responsabilidad_civil responsabilité* restraining_order* rgpd rico ricors* right_of_way
right_of_withdrawal right_to_be_forgotten right_to_cancel right_to_disconnect right_to_erasure right_to_know
right_to_refund right_to_repair right_to_strike right_to_work risarciment* rodo royalt* rozwod* rozwód rti_application
rule_of_law rupture_conventionnelle räumungsklage* résili* rücktritt* sanctions_list schadensersatz* schadevergoed*
scheidung* schengen school_exclusion scotus search_warrant* section_21 section_8 self-defence self_defence self_defense
seminar_on_law senhorio sentenced sentencing separation_of_powers served_papers served_with settled_status severability
severance_package sfratto* shareholder_agreement* shareholders'_agreement sick_note_rights sign_a_contract sign_a_lease
sign_a_waiver sign_the_contract sign_the_release sign_this_contract signed_a_contract signed_the_lease
signed_without_reading skilsmässa* slander* slip_and_fall small_claim small_claims small_print sole_custody solicitor*
sorgerecht* spadek spadk* specific_performance speeding_fine* speeding_ticket* sponsor_my_husband sponsor_my_wife
spouse_visa squatter* squatters_rights standard_of_proof stare_decisis state_aid stateless statute*
statute_of_limitations statutory statutory_interpretation statutory_rights stgb stop_and_search stopped_by_the_police
strafbar* strafrecht* strict_liability student_visa sub-clause* subcontract* subject_access sublease* sublet* subpoena*
subtenant* succession* sue sue_for sued sued_for suing summoned summons supreme_court supreme_court_ruling
sworn_statement sözleşme* sąd* sędzi* tahliye* take_him_to_court take_them_to takedown_notice* talaak talaq tazminat*
tenancies tenancy tenant tenant_rights tenants term_of_lease termination_clause termination_fee terms_and_conditions
terms_of_business terms_of_service terms_of_use testament* testator* testimony the_law their_rights time-barred
title_deed* titre_de_séjour tort tortious torts trade_mark* trade_secret* trade_union trademark* trading_standards
traffic_offence* trespass* trial_court tribunal* ultra_vires umow* unconscionab* unconstitutional* under_oath
undue_influence unenforceab* unfair_dismissal unfair_terms union_rights unjust_enrichment unlawful* unmarried_father*
unter_eid unterhalt* uppsägning* urheberrecht* urteil* ustaw* vakeel vakil variance_for_a vasiyat vasiyet* velayet*
verbal_agreement verbal_contract verbal_promise verblijfsvergunning* verdict verhuurder* verjähr* verklag* vermieter*
vertrag vertrags* verträge vice_caché vie_privée visa visa_waiver visas visitation visitation_right* visto_de visum
void_and_voidable void_contract voidable_contract vollmacht* voogdij waived waiver* warranties warranty_claim*
weapon_licence wettelijk* wetten wezwanie whistleblow* widerruf* widerspruch* will_and_estate will_and_testament
witness_statement* work_for_hire work_permit work_visa workers_rights working_time_directive works_council write_a_will
writing_a_will wrongful* wrongful_arrest wrongful_death wrongful_dismissal wrongful_termination wrongly_accused
wrongly_dismissed wynajmując* wypowiedzen* wyrok* your_rights zero-hours zero_hours zezwoleni* zoning zwolnien* zwolnić
адвокат* алимент* арендодател* виза визе визы внж выселен* гражданств* договор* жалоб* завещан* закон* иск иска
компенсац* наслед* незакон* обжал* опек* ответствен* полици* прав права право развод* расторг* суд суда судебн* уволи*
увольн* штраф* юрист*
"""

ENTITLEMENT: Final = """
against_my_will allowed_to am_i_allowed are_they_allowed are_we_allowed autorisation autorisé back_out banned
before_i_sign beteiligen broke_the_promise can_a_company can_an_employer can_anyone_use can_he_legally can_i_be
can_i_break can_i_demand can_i_film can_i_fly can_i_get_out can_i_keep can_i_publish can_i_record can_i_refuse
can_i_sell can_i_use can_my_boss can_my_employer can_my_ex can_my_landlord can_my_neighbor can_my_neighbour
can_my_school can_police can_she_legally can_someone_take can_the_company can_the_police can_the_school can_the_shop
can_they can_we_ask can_we_call can_we_fire can_we_use caught challenge_it change_my_mind changed_his_mind claim_back
contest czy_mogę czy_muszę darf darf_ich demand_back do_i_have_to do_they_have_to do_we_have_to does_he_have_to
does_she_have_to duty_to dürfen entitle* entitled erlaubt fight_it forbid* forbidden force_me force_us forced_me
forced_to får_jag get_my_deposit get_out_of have_to_give have_to_show have_to_tell held_responsible hold_me hold_them
interdit is_he_allowed is_it_allowed is_it_ok_if is_it_ok_to is_it_okay_if is_it_okay_to is_she_allowed
is_that_allowed is_this_allowed kicked_me kicked_out let_me_cancel mag_ik make_her make_him make_me make_me_sign
make_us may_a may_an may_he may_my may_she may_they moet_ik mogen mogę muss_ich must_i must_they must_we muszę
måste_jag müssen_wir not_allowed obbligat* obbligato object_to objection obligada obligado obligarme obligat* oblige*
obliged obligé obligée obrigado_a obrigatório ohne_erlaubnis on_the_hook ont-ils owe_me permesso permiso permission
permissão permitted peut-il peut-on peuvent-ils podem posso_rifiutare possono prohibido prohibit* proibido promise_of
promised_me puede_mi pueden pueden_echarme puedo_negarme puis-je pull_out_of pulled_over può_il refuse_de refuse_to
refused_to refuses_to refusing_to responsible_for sans_mon_accord senza_permesso sign_it sign_this signed_it
sin_permiso suis-je thrown_out toestemming took_my took_our tvungen verboden verboten verpflichtet verplicht vietato
what_are_my_options what_can_i_claim what_can_i_demand what_can_i_do_about where_do_i_stand who_gets
who_is_responsible who_owns who_pays_for whose_fault whose_is without_asking without_consent without_my_consent
without_my_permission without_notice without_permission wolno won't_let won't_let_me wont_let zustimmen zustimmung
вправе запрещ* имеет_ли могу_ли могут_ли обязан* разреш*
"""

FINANCE_ANYWHERE: Final = """
税 贷款 借款 利息 利率 存款 股票 基金 债券 投资 理财 工资 薪水 养老金 社保 保险费 信用卡
银行 转账 汇款 汇率 发票 会计 报销 预算 财务 资产 负债 房贷 首付 分期 税金 確定申告
年末調整 住宅ローン ローン 金利 利子 貯金 預金 株 投資 配当 給料 給与 年金 保険料
クレジットカード リボ払い 銀行 振込 為替 請求書 会計 経費 予算 借金 控除 家計 세금 대출
이자 금리 예금 저축 주식 펀드 투자 월급 연금 보험료 신용카드 은행 송금 환율 회계 예산
부채 ضريبة ضرائب قرض قروض فائدة بنك راتب معاش استثمار
أسهم فاتورة ميزانية ديون حساب_بنكي
"""

LEGAL_ANYWHERE: Final = """
法律 法院 律师 起诉 诉讼 合同 违约 赔偿 仲裁 劳动法 辞退 解雇 房东 租约 离婚 抚养权 遗产
遗嘱 继承 签证 移民 警察 拘留 罚款 上诉 权利 侵权 版权 商标 专利 隐私权 公证 法的 裁判
弁護士 訴え 訴訟 契約 違反 損害賠償 退職 労働基準 大家 賃貸借 敷金 離婚 親権 相続 遺言
在留資格 ビザ 逮捕 罰金 控訴 権利 著作権 商標 特許 個人情報保護 勝手に切って 법률 법원
변호사 소송 계약 해고 임대차 이혼 양육권 상속 유언 비자 경찰 벌금 저작권 권리 قانون
محكمة محام عقد دعوى طلاق حضانة ميراث وصية إقامة شرطة
غرامة حقوق
"""

ENTITLEMENT_ANYWHERE: Final = """
有权 有权利 可以拒绝 必须 允许 禁止 拒绝 许可 責任 許可
義務 断れ 勝手に してもいい
권한 의무 금지 허락 يحق هل_يجب ممنوع مسموح
"""
